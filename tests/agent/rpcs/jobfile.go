package main

// What becomes of a `config` block on its way from the command line to the client: a tree of plain JSON values. The way has quirks, and
// each is followed here because a config that passes only without them would fail in production:
//
//   - every block, and every object written out as an attribute's value, becomes a list of one object;
//   - a label becomes a level of nesting, again with a list of one below;
//   - a name that the command line does not know stays in the text as ${name}, for the client to fill in;
//   - numbers pass a float64, since the servers' HTTP interface reads JSON that way.

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl"
	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// jobConfig reads a job file's `config { … }`.
func jobConfig(source []byte, name string) (tree, error) {
	file, diags := hclsyntax.ParseConfig(source, name, hcl2.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	body := file.Body.(*hclsyntax.Body)
	if len(body.Blocks) != 1 || body.Blocks[0].Type != "config" || len(body.Attributes) != 0 {
		return nil, fmt.Errorf("%s: want one config block and nothing beside it", name)
	}
	return reader{source}.body(body.Blocks[0].Body)
}

// agentConfig reads a plugin's `config { … }` of an agent's configuration file, which is written in the first version of HCL.
func agentConfig(source []byte) (tree, error) {
	file := tree{}
	if err := hcl.Decode(&file, string(source)); err != nil {
		return nil, err
	}
	blocks, _ := file["config"].([]tree)
	switch len(blocks) {
	case 0:
		return tree{}, nil
	case 1:
		return blocks[0], nil
	}
	return nil, fmt.Errorf("want one config block, found %d", len(blocks))
}

type reader struct{ source []byte }

func (r reader) body(body *hclsyntax.Body) (tree, error) {
	result := tree{}
	for name, attribute := range body.Attributes {
		value, err := r.attribute(attribute.Expr)
		if err != nil {
			return nil, err
		}
		result[name] = value
	}
	byType := tree{}
	for _, block := range body.Blocks {
		value, err := r.block(block)
		if err != nil {
			return nil, err
		}
		before, _ := byType[block.Type].([]any)
		byType[block.Type] = append(before, value)
	}
	for name, blocks := range byType {
		result[name] = blocks
	}
	return result, nil
}

func (r reader) block(block *hclsyntax.Block) (tree, error) {
	result, err := r.body(block.Body)
	for i := len(block.Labels) - 1; i >= 0; i-- {
		result = tree{block.Labels[i]: []any{result}}
	}
	return result, err
}

func (r reader) attribute(expr hclsyntax.Expression) (any, error) {
	value, err := r.value(expr)
	if _, writtenOut := expr.(*hclsyntax.ObjectConsExpr); writtenOut && err == nil {
		return []any{value}, nil
	}
	return value, err
}

func (r reader) value(expr hclsyntax.Expression) (any, error) {
	value, diags := expr.Value(&hcl2.EvalContext{Functions: jobFunctions, UndefinedVariable: r.unknown})
	if diags.HasErrors() {
		return nil, diags
	}
	// An untyped reading on purpose: every number becomes a float64.
	text, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr.Range(), err)
	}
	var result any
	return result, json.Unmarshal(text, &result)
}

// unknown gives a name that nobody knows yet its own text.
func (r reader) unknown(name hcl2.Traversal) (cty.Value, hcl2.Diagnostics) {
	span := name.SourceRange()
	return cty.StringVal("${" + string(r.source[span.Start.Byte:span.End.Byte]) + "}"), nil
}
