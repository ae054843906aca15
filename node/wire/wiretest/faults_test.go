package wiretest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

const long = 20 * time.Second

// line returns both ends of a connection from a to b.
func line(t *testing.T, n *Network) (near, far net.Conn, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	n.Name(l.Addr().String(), "b")
	near, err = n.Dialer("a")(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	near.SetDeadline(time.Now().Add(long))
	far.SetDeadline(time.Now().Add(long))
	return near, far, l.Addr().String()
}

func say(t *testing.T, from, to net.Conn) {
	t.Helper()
	if _, err := from.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	hear(t, to)
}

func hear(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func silent(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("something arrived, or failed: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(long))
}

func TestHeldLinesLoseNothing(t *testing.T) {
	t.Parallel()
	n := New()
	near, far, addr := line(t, n)
	say(t, near, far)
	n.HoldOneWay("a", "b")
	say(t, far, near)
	if _, err := near.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	silent(t, far)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := n.Dialer("a")(ctx, "tcp", addr); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dialled over a held line: %v", err)
	}
	n.Hold("b", "a")
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	silent(t, near)
	n.HealAll()
	hear(t, far)
	hear(t, near)
}

func TestCutLinesFailAtOnce(t *testing.T) {
	t.Parallel()
	n := New()
	near, far, addr := line(t, n)
	n.Cut("b", "a")
	for _, c := range []net.Conn{near, far} {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a cut line: %v", err)
		}
	}
	if _, err := n.Dialer("a")(context.Background(), "tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialled over a cut line: %v", err)
	}
	if c, err := n.Dialer("c")(context.Background(), "tcp", addr); err != nil {
		t.Errorf("another end is cut off too: %v", err)
	} else {
		c.Close()
	}
	n.Heal("a", "b")
	if c, err := n.Dialer("a")(context.Background(), "tcp", addr); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}

func TestSlowLines(t *testing.T) {
	t.Parallel()
	n := New()
	near, far, _ := line(t, n)
	const delay = 50 * time.Millisecond
	n.Delay("a", "b", delay)
	start := time.Now()
	for range 10 { // sent at once, so under way together
		if _, err := near.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		hear(t, far)
	}
	if d := time.Since(start); d < delay || d > 9*delay {
		t.Errorf("ten bytes took %v", d)
	}
	near.Close()
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the end of a line: %v", err)
	}
}
