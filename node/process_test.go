package node_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/milepost-log/milepost/node"
)

// A test that kills nodes needs processes: the test binary runs itself with
// these in its environment, and is a node then.
const (
	envNode   = "MILEPOST_TEST_NODE"
	envConfig = "MILEPOST_TEST_CONFIG"
)

func TestMain(m *testing.M) {
	if id := os.Getenv(envNode); id != "" {
		if err := beNode(id, os.Getenv(envConfig)); err != nil {
			fmt.Fprintln(os.Stderr, "node", id, "ends:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The tests wait for elections and disks more than they compute: run
	// more at a time than there are cores, unless the caller says otherwise.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
	os.Exit(m.Run())
}

// beNode runs until a signal, or until the test that started it is gone.
func beNode(id, config string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		io.Copy(io.Discard, os.Stdin) // open as long as the test lives
		os.Exit(3)
	}()
	c, err := node.LoadCluster(config)
	if err != nil {
		return err
	}
	n, err := node.Start(node.Config{Cluster: c, ID: id, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		n.Stop(context.Background())
		return nil
	case <-n.Done():
		return n.Err()
	}
}

// process is a node in a process of its own.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
	err   error
}

// processes runs the nodes of a cluster that was founded and not started.
type processes struct {
	t      testing.TB
	config string
	mu     sync.Mutex
	byID   map[string]*process
	output sync.Map // node id -> *logbook
}

func newProcesses(t testing.TB, c *node.Cluster) *processes {
	t.Helper()
	text, err := toml.Marshal(c)
	must(t, err)
	p := &processes{t: t, config: filepath.Join(c.Path(), "cluster.toml"), byID: map[string]*process{}}
	must(t, os.WriteFile(p.config, text, 0o600))
	t.Cleanup(func() {
		for _, id := range p.ids() {
			p.kill(id)
		}
		if t.Failed() && os.Getenv("MILEPOST_TEST_LOG") != "" {
			p.output.Range(func(id, book any) bool { t.Logf("output of %s:\n%s", id, book.(*logbook)); return true })
		}
	})
	return p
}

func (p *processes) ids() (ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.byID {
		ids = append(ids, id)
	}
	return ids
}

func (p *processes) start(id string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	book, _ := p.output.LoadOrStore(id, &logbook{})
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), envNode+"="+id, envConfig+"="+p.config)
	cmd.Stdout, cmd.Stderr = book.(*logbook), book.(*logbook)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	run := &process{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	go func() { run.err = cmd.Wait(); close(run.ended) }()
	p.mu.Lock()
	p.byID[id] = run
	p.mu.Unlock()
	return nil
}

// take forgets a process and returns it.
func (p *processes) take(id string) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	run := p.byID[id]
	delete(p.byID, id)
	return run
}

// kill is kill -9.
func (p *processes) kill(id string) {
	if run := p.take(id); run != nil {
		run.cmd.Process.Kill()
		<-run.ended
		run.stdin.Close()
	}
}

// stop asks a node to end, and is an error if it doesn't do so gracefully.
func (p *processes) stop(id string) error {
	run := p.take(id)
	if err := run.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-run.ended
	run.stdin.Close()
	if run.err != nil {
		book, _ := p.output.Load(id)
		tail := []byte(book.(*logbook).String())
		tail = tail[max(0, len(tail)-2000):]
		return fmt.Errorf("%s: %w\n%s", id, run.err, bytes.TrimSpace(tail))
	}
	return nil
}
