// The agent's own libraries drive every rpc of the plugin, as a client agent does from its start to a task's end and through both
// kinds of crash. One line for each claim, a count at the end; the exit code tells whether all held.
package main

import (
	"flag"
	"fmt"
	"os"
)

type options struct {
	plugin, protos, config, image, dir, schema string
	tasks, names                               repeated
	rest                                       []string
}

type repeated []string

func (r *repeated) String() string         { return fmt.Sprint(*r) }
func (r *repeated) Set(value string) error { *r = append(*r, value); return nil }

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: judge conformance|hold|encode|encode-all --plugin BINARY --protos DIR …")
		os.Exit(2)
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.plugin, "plugin", "", "the plugin's program")
	flags.StringVar(&o.protos, "protos", "proto", "the root of the .proto files")
	flags.StringVar(&o.config, "plugin-config", "", "a file with the operator's config block")
	flags.StringVar(&o.image, "image", "strongbox/busybox:1", "an image with a shell that the engine holds")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "where allocation directories are made")
	flags.Var(&o.tasks, "task", "a file with a task's config block; may be repeated")
	flags.StringVar(&o.schema, "schema", "", "a file with a description of a task's options, instead of the plugin's own")
	flags.Var(&o.names, "name", "NAME=VALUE that a client knows, dots make levels; may be repeated")
	_ = flags.Parse(os.Args[2:])
	o.rest = flags.Args()
	var err error
	switch os.Args[1] {
	case "conformance":
		err = conformance(o)
	case "hold":
		err = hold(o)
	case "encode":
		err = encodeFiles(o, o.rest)
	case "encode-all":
		err = encodeFolders(o)
	default:
		err = fmt.Errorf("no command is called %q", os.Args[1])
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
