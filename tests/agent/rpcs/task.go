package main

// A task as an agent prepares it: its directories, the pipes of its output with a reader at each, its identity.

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

type task struct {
	name, alloc, id, dir string
	stdout, stderr       *pipe
}

// newTask lays out a directory below `root`; the readers wait until the plugin opens the pipes, as the agent's do.
func newTask(root, name string) (*task, error) {
	random := make([]byte, 20)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	x := fmt.Sprintf("%x", random)
	alloc := strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:32]}, "-")
	t := &task{name: name, alloc: alloc, id: alloc + "/" + name + "/" + x[32:], dir: filepath.Join(root, alloc)}
	for _, dir := range []string{"alloc/logs", "alloc/tmp", "alloc/data", name + "/local", name + "/secrets", name + "/private", name + "/tmp"} {
		if err := os.MkdirAll(filepath.Join(t.dir, dir), 0o777); err != nil {
			return nil, err
		}
	}
	var err error
	if t.stdout, err = newPipe(t.log("stdout")); err != nil {
		return nil, err
	}
	t.stderr, err = newPipe(t.log("stderr"))
	return t, err
}

func (t *task) log(stream string) string {
	return filepath.Join(t.dir, "alloc/logs", "."+t.name+"."+stream+".fifo")
}

// config is the message that starts the task.
func (t *task) config(driverConfig []byte) tree {
	return tree{
		"id": t.id, "name": t.name, "alloc_id": t.alloc, "alloc_dir": t.dir,
		"job_id": "timeline", "job_name": "timeline", "task_group_name": "web", "namespace": "default",
		"node_id": "11111111-2222-3333-4444-555555555555", "node_name": "judge",
		"stdout_path": t.log("stdout"), "stderr_path": t.log("stderr"),
		"msgpack_driver_config": base64.StdEncoding.EncodeToString(driverConfig),
		"env":                   tree{"NOMAD_TASK_NAME": t.name, "NOMAD_ALLOC_DIR": "/alloc", "GREETING": "good day"},
		"resources": tree{
			"allocated_resources": tree{"cpu": tree{"cpu_shares": 100}, "memory": tree{"memory_mb": 64}},
			"linux_resources":     tree{"cpu_shares": 100, "memory_limit_bytes": 64 << 20},
		},
	}
}

// pipe gathers what comes out of a FIFO.
type pipe struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func newPipe(path string) (*pipe, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, err
	}
	p := &pipe{}
	go p.read(path)
	return p, nil
}

func (p *pipe) read(path string) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	chunk := make([]byte, 4096)
	for {
		n, err := file.Read(chunk)
		p.mutex.Lock()
		p.buffer.Write(chunk[:n])
		p.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *pipe) has(text string) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return strings.Contains(p.buffer.String(), text)
}

// containers asks the engine itself which containers bear a mark of this task.
func (t *task) containers() ([]string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", "/var/run/docker.sock")
		},
	}}
	answer, err := client.Get("http://engine/containers/json?all=1")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var all []struct {
		ID     string `json:"Id"`
		Labels map[string]string
	}
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		return nil, err
	}
	var ids []string
	for _, container := range all {
		for _, value := range container.Labels {
			if value == t.id {
				ids = append(ids, container.ID)
				break
			}
		}
	}
	return ids, nil
}
