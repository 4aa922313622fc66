package main

// Commands with somebody at their streams, as `nomad alloc exec` has them: the cases that an agent's own test harness puts to a driver,
// and what happens when the user leaves.

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/dynamicpb"
)

// session is a case: what is run, what the user does, and what has to come of it.
type session struct {
	what, line  string
	tty         bool
	user        []tree
	out, errors string
	code        float64
}

// typed and size are what a user does.
func typed(text string) tree {
	return tree{"stdin": tree{"data": base64.StdEncoding.EncodeToString([]byte(text))}}
}

func size(height, width int) tree { return tree{"tty_size": tree{"height": height, "width": width}} }

var (
	beat   = tree{}
	closed = tree{"stdin": tree{"close": true}}
)

var cases = []session{
	{what: "both outputs and the code", line: "echo stdout; echo stderr >&2; exit 43", out: "stdout\n", errors: "stderr\n", code: 43},
	{what: "output over time", line: "for i in 1 2 3; do echo $i; sleep 0.3; done", out: "1\n2\n3\n"},
	{what: "no terminal", line: "stty size", errors: "stty: standard input: Inappropriate ioctl for device\n", code: 1},
	{what: "a line of input", line: "echo Hello; read line; echo $line", user: []tree{beat, typed("from user\n")}, out: "Hello\nfrom user\n"},
	{what: "the end of input", line: "cat; echo end", user: []tree{typed("a"), beat, typed("b\n"), closed}, out: "ab\nend\n"},
	{what: "one output in a terminal", line: "echo stdout; echo stderr >&2; exit 43", tty: true, out: "stdout\r\nstderr\r\n", code: 43},
	{what: "output over time in a terminal", line: "for i in 1 2 3; do echo $i; sleep 0.3; done", tty: true, out: "1\r\n2\r\n3\r\n"},
	{what: "the size of a terminal", line: "sleep 1; stty size", tty: true, user: []tree{size(90, 90), beat, size(100, 100)}, out: "100 100\r\n"},
	{what: "a line of input in a terminal", line: "read line; echo $line", tty: true, user: []tree{typed("from user\n")}, out: "from user\r\nfrom user\r\n"},
	{what: "a child that outlives its leader", line: "trap '' HUP; sleep 541 & echo leader", tty: true, out: "leader\r\n"},
}

func sessions(o options, v *verdict, p *running, t *task) {
	for _, c := range cases {
		heard, err := p.converse(t, c)
		v.claim("a session with "+c.what, err == nil && heard.out == c.out && heard.errors == c.errors && heard.code == c.code && heard.exits == 1, fmt.Sprintf("%+v", heard), err)
	}
	large(v, p, t)
	isolated(v, p, t)
	leaving(v, p, t)
}

// heard is all that came back.
type heard struct {
	out, errors string
	code        float64
	exits       int
}

func (p *running) begin(t *task, line string, tty bool) (*stream, error) {
	setup := tree{"task_id": t.id, "command": []string{"sh", "-c", line}, "tty": tty}
	return p.open("ExecTaskStreaming", tree{"setup": setup})
}

func (p *running) converse(t *task, c session) (heard, error) {
	var all heard
	s, err := p.begin(t, c.line, c.tty)
	if err != nil {
		return all, err
	}
	defer s.cancel()
	for _, message := range c.user {
		if err := p.say(s, message); err != nil {
			return all, err
		}
	}
	for {
		answer, err := s.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all.out += text(at(answer, "stdout", "data"))
		all.errors += text(at(answer, "stderr", "data"))
		if answer["exited"] == true && at(answer, "result") != nil {
			all.exits++
			all.code, _ = at(answer, "result", "exit_code").(float64)
		}
	}
}

func (p *running) say(s *stream, fields tree) error {
	method, err := p.protos.method(driver, "ExecTaskStreaming")
	if err != nil {
		return err
	}
	message, err := fill(method.Input(), fields)
	if err != nil {
		return err
	}
	return s.SendMsg(message)
}

// large reads the messages as they are: unfolding each would take longer than all else.
func large(v *verdict, p *running, t *task) {
	const total = 64 << 20
	s, err := p.begin(t, fmt.Sprintf("head -c %d /dev/zero; exit 7", total), false)
	if !v.claim("a session with much output begins", err == nil, err) {
		return
	}
	defer s.cancel()
	length, exit := 0, int64(-1)
	for {
		message := dynamicpb.NewMessage(s.output)
		if err = s.RecvMsg(message); err != nil {
			break
		}
		answer := node{message}
		length += len(answer.child("stdout").field("data").Bytes())
		if answer.flag("exited") {
			exit = answer.child("result").field("exit_code").Int()
		}
	}
	v.claim("all of it arrives, and then the code", err == io.EOF && length == total && exit == 7, length, exit, err)
}

func isolated(v *verdict, p *running, t *task) {
	name := filepath.Join("/tmp", "judge-"+filepath.Base(t.id))
	made, err := p.converse(t, session{line: "echo inside > " + name + " && cat " + name})
	_, missing := os.Stat(name)
	v.claim("what a session writes is not the host's", err == nil && made.out == "inside\n" && os.IsNotExist(missing), made, err, missing)
}

func leaving(v *verdict, p *running, t *task) {
	for _, tty := range []bool{false, true} {
		s, err := p.begin(t, "echo here; sleep 543", tty)
		if err == nil {
			_, err = s.next()
		}
		if !v.claim("a session that will be left begins", err == nil, err) {
			return
		}
		runs := func() bool {
			done, err := p.drive("ExecTask", tree{"task_id": t.id, "command": []string{"sh", "-c", "ps | grep '[s]leep 543'"}, "timeout": "10s"})
			return err != nil || strings.Contains(text(done["stdout"]), "sleep 543")
		}
		v.claim("its command runs", await(runs))
		s.cancel()
		v.claim("who leaves takes the command along", await(func() bool { return !runs() }))
	}
	_, err := p.converse(t, session{line: "true", user: []tree{{"setup": tree{"task_id": t.id, "command": []string{"true"}}}}})
	v.claim("setup that comes twice is refused, or too late to matter", err == nil || code(err) == codes.InvalidArgument, err)
}
