package main

// The bytes that a plugin receives: tree → JSON → HCL's JSON form → the schema's decoder → msgpack.

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/go-msgpack/codec"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"
)

// variables are the names that the client knows when it starts a task: flat keys, dots make levels. Without any the config is a
// plugin's, which may use none.
type variables map[string]string

func encode(config tree, schema hcldec.Spec, names variables) ([]byte, error) {
	// The client's own JSON writer: whole floats below 1e21 come out to their last digit.
	var text bytes.Buffer
	if err := codec.NewEncoder(&text, &codec.JsonHandle{HTMLCharsAsIs: true}).Encode(config); err != nil {
		return nil, err
	}
	file, diags := hcljson.Parse(text.Bytes(), "config")
	if diags.HasErrors() {
		return nil, said(diags)
	}
	value, diags := hcldec.Decode(file.Body, schema, &hcl.EvalContext{Functions: clientFunctions, Variables: names.values()})
	if diags.HasErrors() {
		return nil, said(diags)
	}
	// By the type of what was found, not of what could have been: an argument of any type has its own.
	return msgpack.Marshal(value, value.Type())
}

// said makes one line of what the libraries complain about, in a steady order.
func said(diags hcl.Diagnostics) error {
	var lines []string
	for _, diag := range diags {
		if diag.Severity == hcl.DiagError {
			lines = append(lines, fmt.Sprintf("%s: %s", diag.Summary, diag.Detail))
		}
	}
	sort.Strings(lines)
	return errors.New(strings.Join(lines, " | "))
}

func (v variables) values() map[string]cty.Value {
	if len(v) == 0 {
		return nil
	}
	root := tree{}
	all := map[string]cty.Value{}
	for key, value := range v {
		all[key] = cty.StringVal(value)
		steps := strings.Split(key, ".")
		level := root
		for _, step := range steps[:len(steps)-1] {
			below, ok := level[step].(tree)
			if !ok {
				below = tree{}
				level[step] = below
			}
			level = below
		}
		level[steps[len(steps)-1]] = value
	}
	values := objects(root)
	values["env"] = cty.MapVal(all)
	return values
}

func objects(level tree) map[string]cty.Value {
	values := map[string]cty.Value{}
	for name, below := range level {
		if text, ok := below.(string); ok {
			values[name] = cty.StringVal(text)
		} else {
			values[name] = cty.ObjectVal(objects(below.(tree)))
		}
	}
	return values
}
