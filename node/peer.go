package node

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
)

// peer is another node, as this one speaks to it.
type peer struct {
	id     string
	pin    string // its TLS key
	client *Client
	end    context.CancelFunc // ends run: another peer takes its place

	busy chan struct{} // holds a token while a cosignature is asked for: one at a time
	old  uint64        // size that the peer cosigned last, as far as known; guarded by busy

	mu     sync.Mutex
	outbox [pushKinds][]byte // newest head of each kind still to be sent
	wake   chan struct{}
}

type pushKind int

const (
	pushPublished pushKind = iota // satisfies the policy
	pushOwn                       // what this node cosigned
	pushKinds
)

func newPeer(id string, client *Client) *peer {
	return &peer{id: id, client: client, busy: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// cosign asks the peer to cosign a head (C2SP tlog-witness add-checkpoint).
// When the peer's newest size is another than assumed it says so, and is
// asked once more. While the peer is busy with an earlier head it waits until
// decided ends.
func (p *peer) cosign(decided context.Context, n *Node, view *log.View, checkpoint []byte) ([]certs.Sig, error) {
	select {
	case p.busy <- struct{}{}:
		defer func() { <-p.busy }()
	case <-decided.Done():
		return nil, decided.Err()
	}
	ctx, cancel := context.WithTimeout(n.ctx, roundTimeout)
	defer cancel()
	for try := 0; ; try++ {
		body := formatCosignRequest(&cosignRequest{p.old, n.consistency(view, p.old), checkpoint})
		data, err := p.client.do(ctx, http.MethodPost, "/add-checkpoint", nil, body)
		var old errOldSize
		if errors.As(err, &old) && try == 0 {
			p.old = old.size
			continue
		}
		if err != nil {
			return nil, err
		}
		// The answer is signature lines; they form a note with the text.
		text, _, _ := strings.Cut(string(checkpoint), "\n\n")
		note, err := certs.ParseNote([]byte(text+"\n\n"+string(data)), maxCosignAnswer, 4)
		if err != nil {
			return nil, fault.New("cosignature", "", "the answer is no signature lines").Because(err)
		}
		p.old = view.Size
		return note.Sigs, nil
	}
}

const maxCosignAnswer = 64 << 10

func formatCosignRequest(r *cosignRequest) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", r.old)
	for _, h := range r.proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(r.checkpoint)
	return []byte(b.String())
}

// parseCosignRequest reads the body of add-checkpoint strictly.
func parseCosignRequest(body []byte) (*cosignRequest, error) {
	bad := func(why string) (*cosignRequest, error) {
		return nil, fault.New("request_form", "", "not an add-checkpoint request: "+why)
	}
	head, checkpoint, ok := strings.Cut(string(body), "\n\n")
	if !ok {
		return bad("no blank line")
	}
	lines := strings.Split(head, "\n")
	if len(lines) > 1+63 {
		return bad("over 63 proof lines")
	}
	r := &cosignRequest{checkpoint: []byte(checkpoint)}
	if _, err := fmt.Sscanf(lines[0], "old %d", &r.old); err != nil {
		return bad("no old size")
	}
	for _, l := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(h) != 32 {
			return bad("a proof line is not a hash")
		}
		r.proof = append(r.proof, [32]byte(h))
	}
	if string(formatCosignRequest(r)) != string(body) {
		return bad("it is not in its one form")
	}
	return r, nil
}

// push puts a head into the outbox; an older one of its kind that was not
// sent yet is dropped. It never waits.
func (p *peer) push(kind pushKind, note []byte) {
	p.mu.Lock()
	p.outbox[kind] = note
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run sends what is in the outbox until ctx ends. What did not arrive is sent
// again, later and later, unless a newer head takes its place.
func (p *peer) run(ctx context.Context, log *slog.Logger) {
	var pause time.Duration
	again := time.NewTimer(0)
	again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-again.C:
		}
		if p.flush(ctx, log) {
			pause = 0
			continue
		}
		pause = min(max(2*pause, 100*time.Millisecond), 5*time.Second)
		again.Reset(pause)
	}
}

// flush reports whether everything arrived.
func (p *peer) flush(ctx context.Context, log *slog.Logger) bool {
	p.mu.Lock()
	out := p.outbox
	p.outbox = [pushKinds][]byte{}
	p.mu.Unlock()
	all := true
	for kind, note := range out {
		if note == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := p.client.do(ctx, http.MethodPost, "/v1/heads", nil, note)
		cancel()
		switch {
		case err == nil:
		case isOutage(err):
			all = false
			p.mu.Lock()
			if p.outbox[kind] == nil {
				p.outbox[kind] = note
			}
			p.mu.Unlock()
		default:
			log.Error("a node refuses a head of this one", "peer", p.id, "err", err)
		}
	}
	return all
}

// ask fetches the peer's clock: how far it is ahead of this node's.
func (p *peer) ask(ctx context.Context, now func() time.Time) (time.Duration, error) {
	return p.client.Ahead(ctx, now)
}
