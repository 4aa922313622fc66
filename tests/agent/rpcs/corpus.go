package main

// What becomes of config files, without a task: one line for each, its name and then the bytes or what is wrong.

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2/hcldec"
)

func encodeFolders(o options) error {
	var files []string
	for _, folder := range o.rest {
		found, err := filepath.Glob(filepath.Join(folder, "*.hcl"))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	return encodeFiles(o, files)
}

func encodeFiles(o options, files []string) error {
	spec, err := taskSpec(o)
	if err != nil {
		return err
	}
	names := variables{}
	for _, pair := range o.names {
		name, value, _ := strings.Cut(pair, "=")
		names[name] = value
	}
	for _, file := range files {
		fmt.Println(filepath.Base(file), encoded(file, spec, names))
	}
	return nil
}

func encoded(file string, spec hcldec.Spec, names variables) string {
	source, err := os.ReadFile(file)
	if err == nil {
		var config tree
		if config, err = jobConfig(source, file); err == nil {
			var bytes []byte
			if bytes, err = encode(config, spec, names); err == nil {
				return hex.EncodeToString(bytes)
			}
		}
	}
	return "error: " + strings.Join(strings.Fields(err.Error()), " ")
}

// taskSpec comes from a file, or from a launch of the plugin.
func taskSpec(o options) (hcldec.Spec, error) {
	if o.schema == "" {
		p, err := launch(o)
		if err != nil {
			return nil, err
		}
		defer p.client.Kill()
		schema, err := p.schema(driver, "TaskConfigSchema")
		if err != nil {
			return nil, err
		}
		return decoderSpec(schema, "")
	}
	wire, err := os.ReadFile(o.schema)
	if err != nil {
		return nil, err
	}
	protos, err := compileProtos(o.protos)
	if err != nil {
		return nil, err
	}
	message, err := protos.decode(specMessage, wire)
	if err != nil {
		return nil, err
	}
	return decoderSpec(node{message}, "")
}
