package main

// From the plugin's own description of its options (hclspec) to the decoder specification of the HCL library.

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// node is one message of a Spec, read by field name.
type node struct{ protoreflect.Message }

func (n node) field(name string) protoreflect.Value {
	return n.Get(n.Descriptor().Fields().ByName(protoreflect.Name(name)))
}
func (n node) text(name string) string { return n.field(name).String() }
func (n node) flag(name string) bool   { return n.field(name).Bool() }
func (n node) count(name string) int   { return int(n.field(name).Uint()) }
func (n node) child(name string) node  { return node{n.field(name).Message()} }

// decoderSpec translates a Spec. `implied` is the name that the surrounding object gives to a nameless part; it is lost below a
// Default, which is why a schema has to spell the names there.
func decoderSpec(spec node, implied string) (hcldec.Spec, error) {
	which := spec.WhichOneof(spec.Descriptor().Oneofs().ByName("block"))
	if which == nil {
		return nil, fmt.Errorf("the spec of %q says nothing", implied)
	}
	part := node{spec.Get(which).Message()}
	switch name := string(which.Name()); name {
	case "object":
		return objectSpec(part)
	case "array":
		return arraySpec(part)
	case "Attr":
		return attrSpec(part, implied)
	case "block_attrs":
		return blockAttrsSpec(part, implied)
	case "default":
		return defaultSpec(part)
	case "literal":
		value, err := constant(part.text("value"))
		return &hcldec.LiteralSpec{Value: value}, err
	default:
		return blockSpec(name, part, implied)
	}
}

func objectSpec(object node) (hcldec.Spec, error) {
	result := hcldec.ObjectSpec{}
	var failure error
	object.field("attributes").Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
		result[key.String()], failure = decoderSpec(node{value.Message()}, key.String())
		return failure == nil
	})
	return result, failure
}

func arraySpec(array node) (hcldec.Spec, error) {
	values := array.field("values").List()
	result := hcldec.TupleSpec{}
	for i := 0; i < values.Len(); i++ {
		item, err := decoderSpec(node{values.Get(i).Message()}, "")
		if err != nil {
			return nil, err
		}
		result = append(result, item)
	}
	return result, nil
}

func attrSpec(attr node, implied string) (hcldec.Spec, error) {
	name, err := nameOf(attr, implied)
	if err != nil {
		return nil, err
	}
	kind, err := typeNamed(name, attr.text("type"))
	return &hcldec.AttrSpec{Name: name, Type: kind, Required: attr.flag("required")}, err
}

func blockAttrsSpec(block node, implied string) (hcldec.Spec, error) {
	name, err := nameOf(block, implied)
	if err != nil {
		return nil, err
	}
	kind, err := typeNamed(name, block.text("type"))
	return &hcldec.BlockAttrsSpec{TypeName: name, ElementType: kind, Required: block.flag("required")}, err
}

func defaultSpec(part node) (hcldec.Spec, error) {
	primary, err := decoderSpec(part.child("primary"), "")
	if err != nil {
		return nil, err
	}
	fallback, err := decoderSpec(part.child("default"), "")
	return &hcldec.DefaultSpec{Primary: primary, Default: fallback}, err
}

func blockSpec(kind string, block node, implied string) (hcldec.Spec, error) {
	name, err := nameOf(block, implied)
	if err != nil {
		return nil, err
	}
	nested, err := decoderSpec(block.child("nested"), "")
	if err != nil {
		return nil, fmt.Errorf("block %q: %w", name, err)
	}
	switch kind {
	case "block_value":
		return &hcldec.BlockSpec{TypeName: name, Nested: nested, Required: block.flag("required")}, nil
	case "block_list":
		return &hcldec.BlockListSpec{TypeName: name, Nested: nested, MinItems: block.count("min_items"), MaxItems: block.count("max_items")}, nil
	case "block_set":
		return &hcldec.BlockSetSpec{TypeName: name, Nested: nested, MinItems: block.count("min_items"), MaxItems: block.count("max_items")}, nil
	case "block_map":
		return blockMapSpec(name, block, nested)
	}
	return nil, fmt.Errorf("%q is a %s, of which this judge knows nothing", name, kind)
}

func blockMapSpec(name string, block node, nested hcldec.Spec) (hcldec.Spec, error) {
	list := block.field("labels").List()
	if list.Len() == 0 {
		return nil, fmt.Errorf("block map %q has no label", name)
	}
	labels := make([]string, list.Len())
	for i := range labels {
		labels[i] = list.Get(i).String()
	}
	return &hcldec.BlockMapSpec{TypeName: name, LabelNames: labels, Nested: nested}, nil
}

func nameOf(part node, implied string) (string, error) {
	if name := part.text("name"); name != "" {
		return name, nil
	}
	if implied == "" {
		return "", fmt.Errorf("a %s without a name, where no surrounding object gives it one", part.Descriptor().Name())
	}
	return implied, nil
}

func typeNamed(name, text string) (cty.Type, error) {
	expr, diags := hclsyntax.ParseExpression([]byte(text), name, hcl.InitialPos)
	if !diags.HasErrors() {
		var kind cty.Type
		if kind, diags = typeexpr.TypeConstraint(expr); !diags.HasErrors() {
			return kind, nil
		}
	}
	return cty.DynamicPseudoType, fmt.Errorf("%q has the type %q: %w", name, text, diags)
}

func constant(text string) (cty.Value, error) {
	expr, diags := hclsyntax.ParseExpression([]byte(text), "literal", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("the literal %q: %w", text, diags)
	}
	value, diags := expr.Value(&hcl.EvalContext{Functions: clientFunctions})
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("the literal %q: %w", text, diags)
	}
	return value, nil
}
