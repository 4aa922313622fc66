package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

const (
	cookieKey   = "NOMAD_PLUGIN_MAGIC_COOKIE"
	cookieValue = "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255"
)

// running is a plugin and what is needed to speak with it.
type running struct {
	client *goplugin.Client
	cmd    *exec.Cmd
	conn   *grpc.ClientConn
	protos *protos
	log    *recorder
}

// raw hands out the connection instead of a typed client.
type raw struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (raw) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return fmt.Errorf("this side only asks")
}

func (raw) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

func launch(o options) (*running, error) {
	cmd := exec.Command(o.plugin)
	return connect(o, &goplugin.ClientConfig{Cmd: cmd}, cmd)
}

func attach(o options, to *goplugin.ReattachConfig) (*running, error) {
	return connect(o, &goplugin.ClientConfig{Reattach: to}, nil)
}

func connect(o options, config *goplugin.ClientConfig, cmd *exec.Cmd) (*running, error) {
	protos, err := compileProtos(o.protos)
	if err != nil {
		return nil, err
	}
	log := &recorder{plugin: "judge." + filepath.Base(o.plugin)}
	config.HandshakeConfig = goplugin.HandshakeConfig{ProtocolVersion: 2, MagicCookieKey: cookieKey, MagicCookieValue: cookieValue}
	config.Plugins = goplugin.PluginSet{"driver": raw{}}
	config.AllowedProtocols = []goplugin.Protocol{goplugin.ProtocolGRPC}
	config.Logger = hclog.New(&hclog.LoggerOptions{Name: "judge", Level: hclog.Trace, JSONFormat: true, Output: log})
	client := goplugin.NewClient(config)
	protocol, err := client.Client()
	if err != nil {
		client.Kill()
		return nil, err
	}
	conn, err := protocol.Dispense("driver")
	if err != nil {
		client.Kill()
		return nil, err
	}
	return &running{client, cmd, conn.(*grpc.ClientConn), protos, log}, nil
}

// pid is the plugin's process.
func (p *running) pid() int { return p.client.ReattachConfig().Pid }

// recorder keeps what go-plugin logs: its own lines, and the plugin's as it understood them.
type recorder struct {
	plugin string
	mutex  sync.Mutex
	lines  []tree
}

func (r *recorder) Write(text []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		entry := tree{}
		if json.Unmarshal(line, &entry) == nil {
			r.lines = append(r.lines, entry)
		}
	}
	return len(text), nil
}

// understood and raw part the plugin's lines: those that go-plugin parsed bear the plugin's own time and name their module, the others
// come under the program's name.
func (r *recorder) understood() (lines []tree) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, line := range r.lines {
		if _, parsed := line["timestamp"]; parsed {
			lines = append(lines, line)
		}
	}
	return lines
}

func (r *recorder) raw() (lines []string) {
	for _, line := range r.of(r.plugin) {
		if _, parsed := line["timestamp"]; !parsed {
			lines = append(lines, textAt(line, "@message"))
		}
	}
	return lines
}

func (r *recorder) of(module string) (lines []tree) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, line := range r.lines {
		if line["@module"] == module {
			lines = append(lines, line)
		}
	}
	return lines
}

func (r *recorder) says(message string) bool {
	for _, line := range r.of("judge") {
		if line["@message"] == message {
			return true
		}
	}
	return false
}

// hold launches the plugin as the dispensing launch of an agent that is then killed: it prints how to re-attach, and stays.
func hold(o options) error {
	p, err := launch(o)
	if err != nil {
		return err
	}
	if err := p.configure(o, true); err != nil {
		p.client.Kill()
		return err
	}
	to := p.client.ReattachConfig()
	if err := json.NewEncoder(os.Stdout).Encode(tree{"address": to.Addr.String(), "network": to.Addr.Network(), "pid": to.Pid}); err != nil {
		return err
	}
	time.Sleep(10 * time.Minute)
	p.client.Kill()
	return fmt.Errorf("nobody killed this holder")
}
