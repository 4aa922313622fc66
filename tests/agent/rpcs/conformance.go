package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc/codes"
)

// verdict counts claims.
type verdict struct{ held, failed int }

// claim prints one line; the details are shown where the claim does not hold.
func (v *verdict) claim(what string, holds bool, details ...any) bool {
	if holds {
		v.held++
		fmt.Println("ok  ", what)
	} else {
		v.failed++
		fmt.Println("FAIL", what, details)
	}
	return holds
}

// errBroken ends the run early: what follows would make no sense.
var errBroken = errors.New("a claim failed on which all others rest")

// await waits for a condition.
func await(condition func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return condition()
}

func conformance(o options) error {
	v := &verdict{}
	dir, err := os.MkdirTemp(o.dir, "judge-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	for _, part := range []func(options, *verdict) error{fingerprinting, validation, dispensed, crashes, agentDeath} {
		if err := part(o, v); err != nil {
			v.claim("the run goes on", false, err)
			break
		}
	}
	fmt.Printf("%d held, %d failed\n", v.held, v.failed)
	if v.failed > 0 {
		return fmt.Errorf("%d claims failed", v.failed)
	}
	return nil
}

// fingerprinting is the first of an agent's three launches.
func fingerprinting(o options, v *verdict) error {
	p, err := launch(o)
	if err != nil {
		return err
	}
	defer p.client.Kill()
	info, err := p.ask(base, "PluginInfo", tree{})
	v.claim("the first launch says what it is", err == nil && info["type"] == "DRIVER" && info["name"] == "strongbox", info, err)
	versions, _ := info["plugin_api_versions"].([]any)
	v.claim("it speaks v0.1.0 of the driver interface", len(versions) == 1 && versions[0] == "v0.1.0", info)
	schema, err := p.schema(base, "ConfigSchema")
	if err == nil {
		_, err = decoderSpec(schema, "")
	}
	v.claim("its description of the operator's block is understood", err == nil, err)
	protocol, err := p.client.Client()
	v.claim("the health service answers", err == nil && protocol.Ping() == nil, err)
	p.leaves(v, "the first launch")
	return nil
}

// validation is the second: the config comes twice.
func validation(o options, v *verdict) error {
	p, err := launch(o)
	if err != nil {
		return err
	}
	defer p.client.Kill()
	first := p.configure(o, false)
	v.claim("the second launch takes the config twice", first == nil && p.configure(o, false) == nil, first)
	_, err = p.ask(base, "SetConfig", tree{"msgpack_config": "//8=", "plugin_api_version": "v0.1.0"})
	v.claim("bytes that are no config are refused", refused(err), err)
	v.claim("a refusal is not the end of the process", p.configure(o, false) == nil)
	p.leaves(v, "the second launch")
	return nil
}

// refused tells an answer from a broken connection, which an agent takes for the plugin's death.
func refused(err error) bool {
	return err != nil && code(err) != codes.Unavailable && code(err) != codes.Canceled && code(err) != codes.Unknown && code(err) != codes.DeadlineExceeded
}

// leaves ends a launch and judges how it went.
func (p *running) leaves(v *verdict, which string) {
	p.client.Kill()
	v.claim(which+" ends when asked, unforced", p.client.Exited() && !p.log.says("plugin failed to exit gracefully"))
	if p.cmd != nil {
		v.claim(which+" ends with status 0", await(func() bool { return p.cmd.ProcessState != nil }) && p.cmd.ProcessState.ExitCode() == 0, p.cmd.ProcessState)
	}
	v.claim("every log line of "+which+" is one that the agent understands", len(p.log.raw()) == 0, p.log.raw())
}
