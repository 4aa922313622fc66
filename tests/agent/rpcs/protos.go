package main

// The wire messages, compiled from the project's own .proto files when the judge starts: no generated code, so that what is judged
// is the files that the plugin is built from. Messages are spoken as JSON trees, which keeps every check readable.

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	specMessage        = "hashicorp.nomad.plugins.shared.hclspec.Spec"
	recoverableMessage = "hashicorp.nomad.plugins.shared.structs.RecoverableError"
)

// tree is a message, or any other JSON value's object form.
type tree = map[string]any

// protos finds messages and methods by their full names.
type protos struct{ files linker.Files }

func compileProtos(dir string) (*protos, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{dir}}),
	}
	files, err := compiler.Compile(context.Background(),
		"plugins/base/proto/base.proto",
		"plugins/drivers/proto/driver.proto",
		"plugins/shared/hclspec/hcl_spec.proto",
		"plugins/shared/structs/recoverable_error.proto",
	)
	if err != nil {
		return nil, fmt.Errorf("compile the .proto files below %s: %w", dir, err)
	}
	return &protos{files}, nil
}

func (p *protos) find(name string) (protoreflect.Descriptor, error) {
	for _, file := range p.files {
		if found := file.FindDescriptorByName(protoreflect.FullName(name)); found != nil {
			return found, nil
		}
	}
	return nil, fmt.Errorf("no .proto file defines %s", name)
}

func (p *protos) message(name string) (*dynamicpb.Message, error) {
	found, err := p.find(name)
	if err != nil {
		return nil, err
	}
	descriptor, ok := found.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a message", name)
	}
	return dynamicpb.NewMessage(descriptor), nil
}

func (p *protos) method(service, name string) (protoreflect.MethodDescriptor, error) {
	found, err := p.find(service)
	if err != nil {
		return nil, err
	}
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a service", service)
	}
	method := descriptor.Methods().ByName(protoreflect.Name(name))
	if method == nil {
		return nil, fmt.Errorf("%s has no rpc %s", service, name)
	}
	return method, nil
}

// decode reads the wire form of a message.
func (p *protos) decode(name string, wire []byte) (*dynamicpb.Message, error) {
	message, err := p.message(name)
	if err != nil {
		return nil, err
	}
	return message, proto.Unmarshal(wire, message)
}

// fill makes a message of the given kind from a tree; names are those of the .proto file.
func fill(descriptor protoreflect.MessageDescriptor, fields tree) (*dynamicpb.Message, error) {
	message := dynamicpb.NewMessage(descriptor)
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	if err := protojson.Unmarshal(text, message); err != nil {
		return nil, fmt.Errorf("make a %s: %w", descriptor.FullName(), err)
	}
	return message, nil
}

// unfold is fill's inverse. Absent sub-messages come as nil, other absent fields with their default, as a Go client reads them.
func unfold(message proto.Message) (tree, error) {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true, UseProtoNames: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	fields := tree{}
	return fields, json.Unmarshal(text, &fields)
}

// at walks down a tree; nil where the way ends.
func at(fields any, path ...string) any {
	for _, step := range path {
		object, ok := fields.(tree)
		if !ok {
			return nil
		}
		fields = object[step]
	}
	return fields
}

func textAt(fields any, path ...string) string {
	text, _ := at(fields, path...).(string)
	return text
}
