package main

// Both deaths that a container has to outlive: the plugin's, and the agent's.

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	goplugin "github.com/hashicorp/go-plugin"
)

// same tells whether a task's one container is still the one of before.
func (t *task) same(before string) bool {
	now, err := t.containers()
	return err == nil && len(now) == 1 && now[0] == before
}

func (t *task) container() string {
	if ids, err := t.containers(); err == nil && len(ids) == 1 {
		return ids[0]
	}
	return ""
}

// crashes kills the plugin under a living agent.
func crashes(o options, v *verdict) error {
	p, err := launch(o)
	if err != nil {
		return err
	}
	defer p.client.Kill()
	if err := p.configure(o, true); err != nil {
		return err
	}
	t, started, err := start(o, p, "survivor", fmt.Sprintf(talker, o.image))
	if !v.claim("a task starts that is to survive", err == nil, err) {
		return errBroken
	}
	container := t.container()
	pending := p.wait(t)
	if err := syscall.Kill(p.pid(), syscall.SIGKILL); err != nil {
		return err
	}
	died := <-pending
	v.claim("the pending WaitTask breaks with the plugin", died.err != nil, died)
	v.claim("the agent sees the plugin's death", await(p.client.Exited))
	next, err := launch(o)
	if err != nil {
		return err
	}
	defer next.client.Kill()
	defer next.end(t)
	if err := next.configure(o, true); err != nil {
		return err
	}
	handle := at(started, "handle").(tree)
	_, err = next.drive("RecoverTask", tree{"handle": handle})
	v.claim("the next process recovers the task", err == nil, err)
	_, err = next.drive("RecoverTask", tree{"handle": handle})
	v.claim("recovering twice is fine", err == nil, err)
	v.claim("the container is the same", container != "" && t.same(container), container)
	_, err = next.drive("SignalTask", tree{"task_id": t.id, "signal": "SIGHUP"})
	v.claim("the recovered task takes a signal", err == nil, err)
	return over(v, next, t)
}

func over(v *verdict, p *running, t *task) error {
	wait := p.wait(t)
	_, err := p.drive("StopTask", tree{"task_id": t.id, "timeout": "20s", "signal": "SIGTERM"})
	end := <-wait
	v.claim("its end is told truly", err == nil && end.err == nil && at(end.reply, "result", "exit_code") == 3.0, err, end)
	_, err = p.drive("DestroyTask", tree{"task_id": t.id, "force": true})
	left, failure := t.containers()
	v.claim("nothing of it is left", err == nil && failure == nil && len(left) == 0, err, failure, left)
	return nil
}

// agentDeath kills the agent: the plugin lives on with broken pipes until the next agent re-attaches.
func agentDeath(o options, v *verdict) error {
	holder := exec.Command(os.Args[0], "hold", "--plugin", o.plugin, "--protos", o.protos, "--plugin-config", o.config)
	output, err := holder.StdoutPipe()
	if err != nil {
		return err
	}
	if err := holder.Start(); err != nil {
		return err
	}
	var to struct {
		Address, Network string
		Pid              int
	}
	err = json.NewDecoder(output).Decode(&to)
	if err != nil {
		_ = holder.Process.Kill()
		_ = holder.Wait()
		return fmt.Errorf("the holder says nothing: %w", err)
	}
	how := &goplugin.ReattachConfig{
		Protocol: goplugin.ProtocolGRPC, ProtocolVersion: 2, Pid: to.Pid,
		Addr: &net.UnixAddr{Name: to.Address, Net: to.Network},
	}
	before, err := attach(o, how)
	if err != nil {
		return err
	}
	t, started, err := start(o, before, "orphan", fmt.Sprintf(talker, o.image))
	v.claim("a task starts under the agent that is to die", err == nil, err)
	container := t.container()
	_ = holder.Process.Kill()
	_ = holder.Wait()
	p, err := attach(o, how)
	if !v.claim("the next agent re-attaches to the living plugin", err == nil, err) {
		before.client.Kill()
		return errBroken
	}
	defer p.client.Kill()
	defer p.end(t)
	_, err = p.ask(base, "PluginInfo", tree{})
	v.claim("it answers though nobody reads its log", err == nil, err)
	_, err = p.drive("RecoverTask", tree{"handle": at(started, "handle")})
	v.claim("recovering a task that it still keeps is fine", err == nil, err)
	v.claim("the container is the same", container != "" && t.same(container), container)
	if err := over(v, p, t); err != nil {
		return err
	}
	p.client.Kill()
	v.claim("the re-attached plugin ends when asked", await(func() bool { return syscall.Kill(to.Pid, 0) != nil }))
	return nil
}
