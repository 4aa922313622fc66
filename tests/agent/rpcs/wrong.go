package main

// What is wrong is answered: with the code that an agent reads rightly, and where time may heal it with the mark that says so.

import (
	"fmt"

	"google.golang.org/grpc/codes"
)

func wrongs(o options, v *verdict, p *running) {
	unknown := "no-such-alloc/none/00000000"
	for name, fields := range map[string]tree{
		"WaitTask":    {},
		"InspectTask": {},
		"SignalTask":  {"signal": "SIGHUP"},
		"ExecTask":    {"command": []string{"true"}, "timeout": "1s"},
	} {
		fields["task_id"] = unknown
		_, err := p.drive(name, fields)
		v.claim(name+" of an unknown task is NOT_FOUND", code(err) == codes.NotFound, err)
	}
	for name, fields := range map[string]tree{"StopTask": {"timeout": "1s"}, "DestroyTask": {"force": true}} {
		fields["task_id"] = unknown
		_, err := p.drive(name, fields)
		v.claim(name+" of an unknown task is fine", err == nil, err)
	}
	samples, err := p.open("TaskStats", tree{"task_id": unknown, "collection_interval": "1s"})
	if err == nil {
		_, err = samples.next()
		samples.cancel()
	}
	v.claim("TaskStats of an unknown task is NOT_FOUND, as a stream's end", code(err) == codes.NotFound, err)
	session, err := p.open("ExecTaskStreaming", tree{"setup": tree{"task_id": unknown, "command": []string{"true"}}})
	if err == nil {
		_, err = session.next()
		session.cancel()
	}
	v.claim("ExecTaskStreaming of an unknown task is refused", code(err) == codes.NotFound, err)
	wrongStarts(o, v, p)
}

func wrongStarts(o options, v *verdict, p *running) {
	t, _, err := start(o, p, "absent", `config { image = "127.0.0.1:9/absent:1" }`)
	v.claim("an image that cannot be had now is a refusal that time may heal", refused(err) && p.recoverable(err), err)
	if t != nil {
		left, failure := t.containers()
		v.claim("a failed start leaves no container", failure == nil && len(left) == 0, left, failure)
		p.end(t)
	}
	t, err = newTask(o.dir, "garbled")
	if err == nil {
		_, err = p.drive("StartTask", tree{"task": t.config([]byte{0xc1})})
		v.claim("bytes that are no config are a refusal for good", refused(err) && !p.recoverable(err), err)
	}
	for what, body := range map[string]string{
		"a misspelt option":          `imagee = "x"`,
		"a missing option":           ``,
		"an option of another type":  `args = "x"`,
		"a name that is not defined": `command = "${no_such_name}"`,
	} {
		_, err := p.taskBytes([]byte(fmt.Sprintf("config {\n%s\n%s\n}", `hostname = "x"`, body)), "wrong.hcl", variables{"NOMAD_TASK_NAME": "x"})
		v.claim(what+" does not pass the description", err != nil)
	}
	_, err = p.drive("RecoverTask", tree{"handle": tree{"version": 99, "config": tree{"id": "x"}, "driver_state": "AAAA"}})
	v.claim("a handle of an unknown version is refused", refused(err), err)
}
