package main

// The launch that stays: the streams of its whole life, and a task from its start to its end.

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"

	"google.golang.org/grpc/codes"
)

const talker = `config {
  image   = %q
  command = "sh"
  args    = ["-c", "trap 'echo got-hup' HUP; trap 'echo bye; exit 3' TERM; echo out-$GREETING; echo err-line >&2; while :; do sleep 0.1; done"]
}`

func dispensed(o options, v *verdict) error {
	p, err := launch(o)
	if err != nil {
		return err
	}
	defer p.client.Kill()
	if err := p.configure(o, true); !v.claim("the third launch takes the config", err == nil, err) {
		return errBroken
	}
	if _, err := p.drive("Init", tree{}); err != nil {
		v.claim("Init is answered or unknown", code(err) == codes.Unimplemented, err)
	}
	capabilities, err := p.drive("Capabilities", tree{})
	v.claim("it can signal and exec, and brings its own file system", err == nil &&
		at(capabilities, "capabilities", "send_signals") == true && at(capabilities, "capabilities", "exec") == true &&
		at(capabilities, "capabilities", "fs_isolation") == "IMAGE", capabilities, err)
	fingerprint, err := p.open("Fingerprint", tree{})
	if err != nil {
		return err
	}
	defer fingerprint.cancel()
	first, err := fingerprint.next()
	v.claim("the first fingerprint comes at once and is healthy", err == nil && first["health"] == "HEALTHY", first, err)
	events, err := p.open("TaskEvents", tree{})
	if err != nil {
		return err
	}
	defer events.cancel()
	if err := plainTask(o, v, p); err != nil {
		return err
	}
	for _, file := range o.tasks {
		if err := fileTask(o, v, p, file); err != nil {
			return err
		}
	}
	wrongs(o, v, p)
	info := 0
	for _, line := range p.log.understood() {
		if line["@level"] == "info" && line["@message"] != "" {
			info++
		}
	}
	v.claim("its log arrives with its level", info > 0, p.log.lines)
	fingerprint.cancel()
	events.cancel()
	_, err = p.drive("Shutdown", tree{})
	v.claim("Shutdown is answered", err == nil || code(err) == codes.Unimplemented, err)
	p.leaves(v, "the third launch")
	return nil
}

// start makes a task and starts it.
func start(o options, p *running, name, source string) (*task, tree, error) {
	t, err := newTask(o.dir, name)
	if err != nil {
		return nil, nil, err
	}
	bytes, err := p.taskBytes([]byte(source), name+".hcl", variables{"NOMAD_TASK_NAME": name})
	if err != nil {
		return nil, nil, err
	}
	started, err := p.drive("StartTask", tree{"task": t.config(bytes)})
	return t, started, err
}

// end stops and destroys, whatever happened before.
func (p *running) end(t *task) {
	_, _ = p.drive("DestroyTask", tree{"task_id": t.id, "force": true})
}

// answer is what a call that is left pending came to.
type answer struct {
	reply tree
	err   error
}

func (p *running) wait(t *task) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
		defer cancel()
		message, err := p.reply(ctx, driver, "WaitTask", tree{"task_id": t.id})
		if err != nil {
			done <- answer{nil, err}
			return
		}
		reply, err := unfold(message)
		done <- answer{reply, err}
	}()
	return done
}

func plainTask(o options, v *verdict, p *running) error {
	t, started, err := start(o, p, "plain", fmt.Sprintf(talker, o.image))
	if !v.claim("a task starts", err == nil, err) {
		return errBroken
	}
	defer p.end(t)
	v.claim("the handle says who it is and that it runs", textAt(started, "handle", "config", "id") == t.id && at(started, "handle", "state") == "RUNNING", started)
	waits := make([]<-chan answer, 150)
	for i := range waits {
		waits[i] = p.wait(t)
	}
	v.claim("stdout and stderr reach their pipes", await(func() bool { return t.stdout.has("out-good day") && t.stderr.has("err-line") }))
	inspected, err := p.drive("InspectTask", tree{"task_id": t.id})
	v.claim("InspectTask shows it running, with a result", err == nil && at(inspected, "task", "state") == "RUNNING" && at(inspected, "task", "result") != nil, inspected, err)
	stats(v, p, t)
	_, err = p.drive("SignalTask", tree{"task_id": t.id, "signal": "SIGHUP"})
	v.claim("a signal arrives", err == nil && await(func() bool { return t.stdout.has("got-hup") }), err)
	_, err = p.drive("SignalTask", tree{"task_id": t.id, "signal": "SIGNONSENSE"})
	v.claim("a signal that does not exist is refused", code(err) == codes.InvalidArgument, err)
	run(v, p, t)
	sessions(o, v, p, t)
	select {
	case early := <-waits[0]:
		v.claim("WaitTask waits", false, early)
	default:
		v.claim("WaitTask waits", true)
	}
	return stop(v, p, t, waits)
}

func stats(v *verdict, p *running, t *task) {
	samples, err := p.open("TaskStats", tree{"task_id": t.id, "collection_interval": "1s"})
	if !v.claim("TaskStats opens", err == nil, err) {
		return
	}
	defer samples.cancel()
	for i := 0; i < 2; i++ {
		sample, err := samples.next()
		usage := at(sample, "stats", "agg_resource_usage")
		v.claim("a sample has all that an agent reads unasked", err == nil && at(sample, "stats", "timestamp") != nil &&
			at(usage, "cpu") != nil && at(usage, "memory") != nil && textAt(sample, "stats", "id") == t.id, sample, err)
	}
}

func run(v *verdict, p *running, t *task) {
	command := []string{"sh", "-c", "echo exec-out; echo exec-err >&2; exit 7"}
	done, err := p.drive("ExecTask", tree{"task_id": t.id, "command": command, "timeout": "10s"})
	v.claim("ExecTask gives both streams and the code", err == nil && text(done["stdout"]) == "exec-out\n" &&
		text(done["stderr"]) == "exec-err\n" && at(done, "result", "exit_code") == 7.0, done, err)
	began, err := p.drive("ExecTask", tree{"task_id": t.id, "command": []string{"sleep", "600"}, "timeout": "0.5s"})
	v.claim("ExecTask ends at its limit", err != nil || at(began, "result", "exit_code") != 0.0, began, err)
}

// text is a bytes field.
func text(field any) string {
	encoded, _ := field.(string)
	decoded, _ := base64.StdEncoding.DecodeString(encoded)
	return string(decoded)
}

func stop(v *verdict, p *running, t *task, waits []<-chan answer) error {
	_, err := p.drive("StopTask", tree{"task_id": t.id, "timeout": "20s", "signal": "SIGTERM"})
	v.claim("StopTask answers", err == nil, err)
	told := 0
	for _, wait := range waits {
		if end := <-wait; end.err == nil && at(end.reply, "result", "exit_code") == 3.0 && at(end.reply, "result", "oom_killed") == false {
			told++
		}
	}
	v.claim("all 150 pending WaitTask tell the exit code", told == len(waits), told)
	again := <-p.wait(t)
	v.claim("WaitTask after the end answers at once", again.err == nil && at(again.reply, "result", "exit_code") == 3.0, again)
	v.claim("the last words were heard", await(func() bool { return t.stdout.has("bye") }))
	samples, err := p.open("TaskStats", tree{"task_id": t.id, "collection_interval": "1s"})
	if err == nil {
		_, err = samples.next()
		samples.cancel()
	}
	v.claim("TaskStats of an ended task ends without an error", err == io.EOF, err)
	inspected, err := p.drive("InspectTask", tree{"task_id": t.id})
	v.claim("InspectTask shows it ended", err == nil && at(inspected, "task", "state") == "EXITED", inspected, err)
	_, err = p.drive("DestroyTask", tree{"task_id": t.id, "force": true})
	v.claim("DestroyTask answers", err == nil, err)
	left, err := t.containers()
	v.claim("no container is left", err == nil && len(left) == 0, left, err)
	return nil
}

// fileTask runs a config that a file holds: it has to print `ready` when its secrets satisfy it.
func fileTask(o options, v *verdict, p *running, file string) error {
	source, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	t, _, err := start(o, p, "timeline", string(source))
	if !v.claim("the task of "+file+" starts", err == nil, err) {
		return nil
	}
	defer p.end(t)
	v.claim("it finds what it was promised", await(func() bool { return t.stdout.has("ready") }))
	done, err := p.drive("ExecTask", tree{"task_id": t.id, "command": []string{"grep", " /run/secrets tmpfs ", "/proc/mounts"}, "timeout": "10s"})
	v.claim("its secrets lie in memory", err == nil && at(done, "result", "exit_code") == 0.0, done, err)
	_, err = p.drive("StopTask", tree{"task_id": t.id, "timeout": "1s"})
	v.claim("it stops", err == nil, err)
	end := <-p.wait(t)
	v.claim("its end is told", end.err == nil && at(end.reply, "result") != nil, end)
	_, err = p.drive("DestroyTask", tree{"task_id": t.id, "force": true})
	left, failure := t.containers()
	v.claim("nothing of it is left", err == nil && failure == nil && len(left) == 0, err, failure, left)
	return nil
}
