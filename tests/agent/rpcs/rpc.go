package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	base   = "hashicorp.nomad.plugins.base.proto.BasePlugin"
	driver = "hashicorp.nomad.plugins.drivers.proto.Driver"
	// A limit for what answers at once, so that a hanging plugin fails the judge instead of stopping it.
	patience = time.Minute
)

// ask makes one call and waits for its answer; nothing is retried.
func (p *running) ask(service, name string, fields tree) (tree, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	reply, err := p.reply(ctx, service, name, fields)
	if err != nil {
		return nil, err
	}
	return unfold(reply)
}

func (p *running) drive(name string, fields tree) (tree, error) { return p.ask(driver, name, fields) }

func (p *running) reply(ctx context.Context, service, name string, fields tree) (*dynamicpb.Message, error) {
	method, err := p.protos.method(service, name)
	if err != nil {
		return nil, err
	}
	request, err := fill(method.Input(), fields)
	if err != nil {
		return nil, err
	}
	reply := dynamicpb.NewMessage(method.Output())
	return reply, p.conn.Invoke(ctx, path(method), request, reply)
}

func path(method protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
}

// stream is an open call whose answers are read one by one.
type stream struct {
	grpc.ClientStream
	output protoreflect.MessageDescriptor
	cancel context.CancelFunc
}

func (p *running) open(name string, fields tree) (*stream, error) {
	method, err := p.protos.method(driver, name)
	if err != nil {
		return nil, err
	}
	request, err := fill(method.Input(), fields)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	shape := &grpc.StreamDesc{ServerStreams: true, ClientStreams: method.IsStreamingClient()}
	opened, err := p.conn.NewStream(ctx, shape, path(method))
	if err == nil {
		err = opened.SendMsg(request)
	}
	if err == nil && !method.IsStreamingClient() {
		err = opened.CloseSend()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &stream{opened, method.Output(), cancel}, nil
}

func (s *stream) next() (tree, error) {
	message := dynamicpb.NewMessage(s.output)
	if err := s.RecvMsg(message); err != nil {
		return nil, err
	}
	return unfold(message)
}

// schema reads how the plugin describes its options.
func (p *running) schema(service, name string) (node, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	reply, err := p.reply(ctx, service, name, tree{})
	if err != nil {
		return node{}, err
	}
	return node{reply}.child("spec"), nil
}

func (p *running) taskBytes(source []byte, name string, names variables) ([]byte, error) {
	config, err := jobConfig(source, name)
	if err != nil {
		return nil, err
	}
	schema, err := p.schema(driver, "TaskConfigSchema")
	if err != nil {
		return nil, err
	}
	spec, err := decoderSpec(schema, "")
	if err != nil {
		return nil, err
	}
	return encode(config, spec, names)
}

// configure sends the operator's config; `dispensed` adds what an agent says only to the launch that stays.
func (p *running) configure(o options, dispensed bool) error {
	source, err := os.ReadFile(o.config)
	if err != nil {
		return err
	}
	config, err := agentConfig(source)
	if err != nil {
		return err
	}
	schema, err := p.schema(base, "ConfigSchema")
	if err != nil {
		return err
	}
	spec, err := decoderSpec(schema, "")
	if err != nil {
		return err
	}
	bytes, err := encode(config, spec, nil)
	if err != nil {
		return err
	}
	request := tree{"msgpack_config": base64.StdEncoding.EncodeToString(bytes), "plugin_api_version": "v0.1.0"}
	if dispensed {
		request["nomad_config"] = tree{"driver": tree{"ClientMinPort": 14000, "ClientMaxPort": 14512}}
	}
	_, err = p.ask(base, "SetConfig", request)
	return err
}

// recoverable reads the mark that decides whether an agent tries a start again: the first detail of the status.
func (p *running) recoverable(err error) bool {
	details := status.Convert(err).Proto().GetDetails()
	if len(details) == 0 || !strings.HasSuffix(details[0].GetTypeUrl(), "/"+recoverableMessage) {
		return false
	}
	message, failure := p.protos.decode(recoverableMessage, details[0].GetValue())
	return failure == nil && node{message}.flag("recoverable")
}

func code(err error) codes.Code { return status.Code(err) }
