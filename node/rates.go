package node

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node/wire"
	"github.com/milepost-log/milepost/verify"
)

// DefaultMaxRequests is how many requests a second a node takes of one
// member, unless Config says otherwise. Of an address without a member's key
// it takes a tenth. Of either it takes a tenth of that once they are refused.
const DefaultMaxRequests = 10_000

// memberHeader says on whose behalf a node sends a submission on, so that it
// counts for that member wherever it was sent in.
const memberHeader = "Milepost-Member"

// rates bounds what one caller may ask for in a second. That is looked at
// before a body is read or a signature is checked.
type rates struct {
	perSecond float64 // less than 0 for no bound
	now       func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket // by caller
	swept   time.Time          // when those of callers that rest were last left out
}

// bucket holds what a caller may still spend. Both kinds fill up within
// burst.
type bucket struct {
	at                time.Time
	perSecond         float64 // of requests
	requests, refused float64
	told              time.Time // when the log last said that the caller is cut short
}

const (
	burst      = 2      // seconds' worth that may be spent at once
	strangers  = 10     // a caller without a member's key has one part of so many
	ofRefused  = 10     // and refused ones are one part of so many
	maxBuckets = 10_000 // callers that are told apart
)

// of returns a caller's bucket as of now. Called with mu held.
func (r *rates) of(who string, stranger bool) *bucket {
	now := r.now()
	b := r.buckets[who]
	if b == nil {
		if len(r.buckets) >= maxBuckets && now.Sub(r.swept) > time.Second {
			r.swept = now
			for k, b := range r.buckets {
				if now.Sub(b.at) > burst*time.Second {
					delete(r.buckets, k) // full again
				}
			}
		}
		if len(r.buckets) >= maxBuckets {
			who = "" // the many share one
		}
		if b = r.buckets[who]; b == nil {
			each := r.perSecond
			if stranger {
				each /= strangers
			}
			b = &bucket{at: now, perSecond: each, requests: each * burst, refused: each / ofRefused * burst}
			r.buckets[who] = b
		}
	}
	passed := max(now.Sub(b.at).Seconds(), 0)
	b.at = now
	b.requests = min(b.requests+passed*b.perSecond, b.perSecond*burst)
	b.refused = min(b.refused+passed*b.perSecond/ofRefused, b.perSecond/ofRefused*burst)
	return b
}

// take counts a request. The error says when to come again.
func (r *rates) take(who string, stranger bool) error {
	if r.perSecond < 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.of(who, stranger)
	wait := max((1-b.requests)/b.perSecond, -b.refused/(b.perSecond/ofRefused))
	if wait > 0 {
		tell := b.at.Sub(b.told) >= complaintEvery
		if tell {
			b.told = b.at
		}
		return &tooFast{math.Ceil(wait), tell}
	}
	b.requests--
	return nil
}

// refuse counts n refusals, of requests or of records, after the fact.
func (r *rates) refuse(who string, stranger bool, n int) {
	if r.perSecond < 0 || n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(who, stranger).refused -= float64(n)
}

// tooFast refuses a caller that asks for too much.
type tooFast struct {
	seconds float64 // until it may come again
	tell    bool    // the log hasn't said so for a while
}

func (e *tooFast) Error() string { return e.Unwrap().Error() }
func (e *tooFast) Unwrap() error {
	return fault.New("rate_limited", "", fmt.Sprintf("more requests came, or more were refused, than one caller may send: wait %.0f s", e.seconds)).
		WithHint("send more records at once, and look at why any were refused")
}

// callerName is who a request counts for: the member, also where a node sends
// it on for one; a node; or an address, where no key tells.
func (n *Node) callerName(c caller, r *http.Request) (who string, stranger bool) {
	switch {
	case c.node != nil:
		if name := r.Header.Get(memberHeader); name != "" && n.hasMember(name) {
			return name, false
		}
		return "node " + c.node.ID, false
	case c.member != nil:
		return c.member.Name, false
	}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return wire.Host(at.Addr()).String(), true
	}
	return r.RemoteAddr, true
}

func (n *Node) hasMember(name string) (ok bool) {
	n.state.withAuthority(func(a *verify.Authority) { ok = a.Members[name] != nil })
	return ok
}
