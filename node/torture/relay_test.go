//go:build unix

package torture

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/milepost-log/milepost/node/wire/wiretest"
)

// relay carries what nodes say to each other, with the faults of a network
// that it owns. Clients go to the nodes directly.
type relay struct {
	*wiretest.Network
	listener net.Listener
}

func newRelay() (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{Network: wiretest.New(), listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.carry(conn)
		}
	}()
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) close() { r.listener.Close() }

// carry serves one connection. Its first line says from whom and to which
// address it goes.
func (r *relay) carry(near net.Conn) {
	defer near.Close()
	in := bufio.NewReader(near)
	near.SetReadDeadline(time.Now().Add(time.Minute))
	line, err := in.ReadString('\n')
	from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil {
		return
	}
	near.SetReadDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	far, err := r.Dialer(from)(ctx, "tcp", to)
	cancel()
	if err != nil {
		return
	}
	defer far.Close()
	if _, err := near.Write([]byte{'!'}); err != nil {
		return
	}
	// The end of either direction ends both: nobody here half-closes.
	var both sync.WaitGroup
	both.Go(func() { io.Copy(far, in); near.Close(); far.Close() })
	both.Go(func() { io.Copy(near, far); near.Close(); far.Close() })
	both.Wait()
}
