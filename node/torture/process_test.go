//go:build unix

package torture

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// process is a node in a process of its own, from one start to its end.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{}
	err   error // once ended
	said  *tail
}

// run starts a node.
func run(id, config, relay string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self), ended: make(chan struct{}), said: &tail{}}
	p.cmd.Env = append(os.Environ(), envNode+"="+id, envConfig+"="+config, envRelay+"="+relay)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// tell writes a line to the node's standard input. A node that has ended hears
// nothing any more.
func (p *process) tell(format string, args ...any) { fmt.Fprintf(p.stdin, format+"\n", args...) }

func (p *process) signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// kill is kill -9.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
	p.stdin.Close()
}

// stop asks a node to end, and waits.
func (p *process) stop() error {
	p.signal(syscall.SIGTERM)
	<-p.ended
	p.stdin.Close()
	if p.err != nil {
		return fmt.Errorf("%w\n%s", p.err, p.said)
	}
	return nil
}

// why returns the code and the words that a node ended with by itself; of one
// that was killed there are none.
func (p *process) why() (code, words string) {
	_, line, ok := strings.Cut(p.said.String(), lastWords+"[")
	if !ok {
		return "", ""
	}
	line, _, _ = strings.Cut(line, "\n")
	code, words, _ = strings.Cut(line, "] ")
	return code, words
}

// tail keeps the end of what a node writes.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const maxTail = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*maxTail {
		t.b = bytes.Clone(t.b[len(t.b)-maxTail:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// last returns the last lines.
func (t *tail) last(n int) string {
	lines := strings.SplitAfter(t.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-n-1):], "")
}
