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
	"strings"

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
	unknown := &unknownNames{source: r.source, values: map[string]cty.Value{}}
	hclsyntax.Walk(expr, unknown)
	value, diags := expr.Value(&hcl2.EvalContext{Functions: jobFunctions, Variables: unknown.values})
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

// unknownNames gives every name of an expression the value `${name}`, as written in the source. Names that the expression itself binds
// are left alone.
type unknownNames struct {
	source []byte
	values map[string]cty.Value
	bound  []map[string]struct{}
}

func (u *unknownNames) Enter(visited hclsyntax.Node) hcl2.Diagnostics {
	switch visited := visited.(type) {
	case hclsyntax.ChildScope:
		u.bound = append(u.bound, visited.LocalNames)
	case *hclsyntax.ScopeTraversalExpr:
		if !u.isBound(visited.Traversal.RootName()) {
			u.stand(visited)
		}
	}
	return nil
}

func (u *unknownNames) Exit(visited hclsyntax.Node) hcl2.Diagnostics {
	if _, ok := visited.(hclsyntax.ChildScope); ok {
		u.bound = u.bound[:len(u.bound)-1]
	}
	return nil
}

func (u *unknownNames) isBound(name string) bool {
	for _, names := range u.bound {
		if _, ok := names[name]; ok {
			return true
		}
	}
	return false
}

// stand replaces a name by a fresh one whose value is the name's own text.
func (u *unknownNames) stand(expr *hclsyntax.ScopeTraversalExpr) {
	span := expr.Traversal.SourceRange()
	text := strings.TrimSpace(string(u.source[span.Start.Byte:span.End.Byte]))
	standIn := fmt.Sprintf("stand_in_%d", len(u.values))
	u.values[standIn] = cty.StringVal("${" + text + "}")
	expr.Traversal = hcl2.Traversal{hcl2.TraverseRoot{Name: standIn, SrcRange: span}}
}
