//go:build unix

package torture

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

// The test binary runs itself with these in its environment, and is a node
// then.
const (
	envNode   = "MILEPOST_TORTURE_NODE"
	envConfig = "MILEPOST_TORTURE_CONFIG"
	envRelay  = "MILEPOST_TORTURE_RELAY"
)

func TestMain(m *testing.M) {
	if id := os.Getenv(envNode); id != "" {
		if err := beNode(id); err != nil {
			fmt.Fprintf(os.Stderr, "%s[%s] %v\n", lastWords, fault.Code(err), err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// lastWords begin the line in which a node says why it ended.
const lastWords = "the node ended: "

// tiny is how far a file may grow while its disk is full, in bytes. All that a
// commit writes lies beyond, but for bbolt's two meta pages, which are written
// last.
const tiny = 8 << 10

// beNode runs until a signal, or until the test that started it is gone. What
// it is told on its standard input: "clock <ns>", how far it is ahead of the
// machine's; "disk full".
func beNode(id string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	signal.Ignore(unix.SIGXFSZ) // the write fails, and nothing else happens
	var ahead atomic.Int64
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			what, value, _ := strings.Cut(lines.Text(), " ")
			switch what {
			case "clock":
				ns, _ := strconv.ParseInt(value, 10, 64)
				ahead.Store(ns)
			case "disk":
				// A bound on the size of files is what comes closest to a disk without room: it
				// is the system that refuses the write, in the middle if need be.
				unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: tiny, Max: tiny})
			}
		}
		os.Exit(3)
	}()
	c, err := node.LoadCluster(os.Getenv(envConfig))
	if err != nil {
		return err
	}
	n, err := node.Start(node.Config{
		Cluster: c, ID: id, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Dial: throughRelay(id),
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		n.Stop(context.Background())
		return nil
	case <-n.Done():
		n.Stop(context.Background()) // waits for its end
		return n.Err()
	}
}

// throughRelay opens connections over the test's process, which knows the
// faults of each line.
func throughRelay(id string) node.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, os.Getenv(envRelay))
		if err != nil {
			return nil, err
		}
		end := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
		if _, err = fmt.Fprintf(conn, "%s %s\n", id, address); err == nil {
			_, err = conn.Read(make([]byte, 1)) // that the other end is reached
		}
		if !end() {
			err = ctx.Err()
		}
		if err != nil {
			conn.Close()
			return nil, fmt.Errorf("dial %s: %w", address, err)
		}
		return conn, nil
	}
}
