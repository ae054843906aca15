//go:build unix

package torture

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

const dealer = "dealer.example/lyon"

// clients send records, read and fetch proofs until they are told to stop.
// Whatever one of them has begun it ends: it sends the same bytes again until
// they are acknowledged.
type clients struct {
	w       *world
	signer  certs.Signer
	cars    [followed]atomic.Int64 // the generation of each car that is followed
	stop    context.Context        // begin nothing new
	patient context.Context        // give up
	running sync.WaitGroup

	mu     sync.Mutex
	some   []ack // records to ask receipts for
	again  int   // submissions sent more than once
	reads  int
	errors map[string]int // codes met
}

const (
	followed = 6  // cars at a time whose whole history is followed
	perCar   = 40 // records, after which another car takes a car's place
	inBulk   = 20
)

func (w *world) clientele(stop, patient context.Context, seed uint64) *clients {
	k, err := keyfile.ReadKeyFile(w.cluster.KeyPath(dealer, keyfile.UseRecord), nil)
	w.must(err)
	signer, err := k.Signer()
	w.must(err)
	c := &clients{w: w, signer: signer, stop: stop, patient: patient, errors: map[string]int{}}
	for i, do := range []func(r *mathrand.Rand, who int){c.bulk, c.bulk, c.follow, c.follow, c.follow, c.follow, c.prove, c.receipt} {
		r := mathrand.New(mathrand.NewPCG(seed, uint64(i)))
		c.running.Go(func() {
			for stop.Err() == nil {
				do(r, i)
				pause(stop, time.Duration(5+r.IntN(30))*time.Millisecond)
			}
		})
	}
	return c
}

// any returns a client of a node that was not removed.
func (c *clients) any(r *mathrand.Rand) (*node.Client, string) {
	ids := c.w.ids()
	id := ids[r.IntN(len(ids))]
	return c.w.client(id), id
}

func (c *clients) met(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors[fault.Code(err)]++
}

// bulk sends readings of many cars in one request.
func (c *clients) bulk(r *mathrand.Rand, who int) {
	notes := make([][]byte, inBulk)
	for i := range notes {
		notes[i] = c.reading(vin(who, r.IntN(300)))
	}
	c.deliver(r, notes)
}

// follow writes one record of a car that is followed, or reads its whole
// history.
func (c *clients) follow(r *mathrand.Rand, who int) {
	n := r.IntN(followed)
	g := c.cars[n].Load()
	car := vin(100+n, int(g/perCar))
	if r.IntN(2) == 0 {
		c.read(r, car)
		return
	}
	c.cars[n].Add(1)
	note := c.reading(car)
	o := operation{car: car, write: true, hash: verify.LeafHash(note), call: c.w.seen.now(), ret: never}
	if c.deliver(r, [][]byte{note}) {
		o.ret = c.w.seen.now()
	}
	c.w.seen.operation(o)
}

// read is a strict read. One that gets no answer has seen nothing.
func (c *clients) read(r *mathrand.Rand, car string) {
	client, id := c.any(r)
	ctx, cancel := context.WithTimeout(c.patient, 8*time.Second)
	defer cancel()
	o := operation{car: car, call: c.w.seen.now()}
	data, err := client.Get(ctx, node.VehiclePath(record.VehicleSubject(car))+"?consistency=strict")
	o.ret = c.w.seen.now()
	if err != nil {
		c.met(err)
		return
	}
	var h node.HistoryAnswer
	if err := json.Unmarshal(data, &h); err != nil {
		c.w.seen.bad(fmt.Sprintf("%s answers a read with %.200q", id, data))
		return
	}
	for _, e := range h.Entries {
		raw, _ := hex.DecodeString(e.LeafHash)
		o.seen = append(o.seen, ack{hash: hash(raw), index: e.Index})
	}
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	c.w.seen.operation(o)
}

// deliver sends notes until they are acknowledged, and reports whether they
// were before its patience ended.
func (c *clients) deliver(r *mathrand.Rand, notes [][]byte) bool {
	for try := 0; c.patient.Err() == nil; try++ {
		client, id := c.any(r)
		ctx, cancel := context.WithTimeout(c.patient, 8*time.Second)
		ans, err := client.Submit(ctx, notes...)
		cancel()
		if err == nil && c.took(id, notes, ans) {
			if try > 0 {
				c.mu.Lock()
				c.again++
				c.mu.Unlock()
			}
			return true
		}
		if err != nil {
			c.met(err)
		}
		pause(c.patient, time.Duration(20+r.IntN(100))*time.Millisecond)
	}
	c.w.seen.bad("a client could not deliver a record though all faults were over")
	return false
}

// took writes down what was acknowledged. A record may be refused for the
// time of it, by a node whose clock is off; then it is sent again.
func (c *clients) took(id string, notes [][]byte, ans *node.SubmitAnswer) (all bool) {
	all = true
	for i, a := range ans.Records {
		h := verify.LeafHash(notes[i])
		switch {
		case a.Status == "refused" && a.Error != nil:
			c.met(fault.New("refused: "+a.Error.Code, "", ""))
			all = false
		case a.Index == nil || a.LeafHash != verify.Hex(h) || *a.Index >= ans.Size:
			c.w.seen.bad(fmt.Sprintf("%s acknowledges record %x with %+v under %d leaves", id, h[:4], a, ans.Size))
		default:
			got := ack{h, *a.Index}
			c.w.seen.ack(got)
			c.mu.Lock()
			if len(c.some) < 1000 {
				c.some = append(c.some, got)
			} else {
				c.some[mathrand.IntN(len(c.some))] = got
			}
			c.mu.Unlock()
		}
	}
	if ans.Size > 0 {
		c.w.checkpoint(ans.Checkpoint, id+", in an answer")
	}
	return all
}

// checkpoint writes down a tree head that was shown as its three lines.
func (w *world) checkpoint(text, from string) {
	c, err := verify.ParseCheckpointText(text)
	if err != nil {
		w.seen.bad(fmt.Sprintf("%s shows a head that is none: %v: %.300q", from, err, text))
		return
	}
	w.seen.head(c.Size, c.Root, from)
}

// signedHead is checkpoint for a head with its signatures.
func (w *world) signedHead(note []byte, from string) {
	text, _, _ := strings.Cut(string(note), "\n\n")
	w.checkpoint(text+"\n", from)
}

// prove fetches a proof file and verifies it under the policy of the
// founding, as someone would who comes later than the fastest clock.
func (c *clients) prove(r *mathrand.Rand, who int) {
	pause(c.stop, 100*time.Millisecond)
	client, id := c.any(r)
	car := vin(r.IntN(2), r.IntN(300))
	if n := r.IntN(followed); r.IntN(2) == 0 {
		car = vin(100+n, int(c.cars[n].Load()/perCar))
	}
	subject := record.VehicleSubject(car)
	ctx, cancel := context.WithTimeout(c.patient, 8*time.Second)
	defer cancel()
	data, err := client.Proof(ctx, subject)
	if err != nil {
		c.met(err)
		return
	}
	rep := verify.Verify(data, verify.Options{Policy: c.w.policy, Now: time.Now().Add(2 * longest), Subject: subject})
	if !rep.Verified {
		c.w.seen.bad(fmt.Sprintf("a proof file of %s does not verify: %v", id, rep.Failure))
		return
	}
	f, err := verify.ParseFile(data)
	if err != nil {
		c.w.seen.bad(fmt.Sprintf("a proof file of %s: %v", id, err))
		return
	}
	if p, err := verify.ParseTLogProof(f.TLogProof); err == nil {
		c.w.signedHead(p.Checkpoint, id+", in a proof file")
	}
	c.w.seen.verified()
}

// receipt fetches the receipt of an acknowledged record.
func (c *clients) receipt(r *mathrand.Rand, who int) {
	pause(c.stop, 50*time.Millisecond)
	c.mu.Lock()
	if len(c.some) == 0 {
		c.mu.Unlock()
		return
	}
	a := c.some[r.IntN(len(c.some))]
	c.mu.Unlock()
	client, id := c.any(r)
	ctx, cancel := context.WithTimeout(c.patient, 8*time.Second)
	defer cancel()
	data, err := client.Receipt(ctx, verify.Hex(a.hash))
	if err != nil {
		c.met(err)
		return
	}
	p, err := verify.ParseTLogProof(data)
	if err == nil {
		_, err = p.CheckInclusion(a.hash)
	}
	if err == nil && p.Index != a.index {
		err = fmt.Errorf("it is for index %d", p.Index)
	}
	if err != nil {
		c.w.seen.bad(fmt.Sprintf("the receipt of record %x, acknowledged at index %d, from %s: %v", a.hash[:4], a.index, id, err))
		return
	}
	c.w.signedHead(p.Checkpoint, id+", in a receipt")
	c.w.seen.verified()
}

// vin makes a VIN without check digit, from outside North America.
func vin(group, n int) string { return fmt.Sprintf("VF1AAA%03d%08d", group, n) }

// reading is a signed odometer reading. Its times are so far back that a node
// whose clock has jumped back takes it all the same.
func (c *clients) reading(car string) []byte {
	at := time.Now().Add(-2 * longest)
	id, err := record.NewUUIDv7(at, rand.Reader)
	if err == nil {
		var text string
		text, err = record.Draft{
			Author: dealer, Origin: c.w.origin, ID: id, Type: "odometer.reading/1", Subjects: []string{record.VehicleSubject(car)},
			Captured: record.FormatUTC(at), EventTime: record.FormatUTC(at), Precision: "second",
			Body: jcs.Make(
				jcs.Field{Name: "precision", Value: jcs.Text("exact")}, jcs.Field{Name: "purpose", Value: jcs.Text("service_in")},
				jcs.Field{Name: "result", Value: jcs.Text("read")}, jcs.Field{Name: "source", Value: jcs.Text("visual")},
				jcs.Field{Name: "unit", Value: jcs.Text("KMT")}, jcs.Field{Name: "value", Value: jcs.Number(50_000)}),
		}.Text()
		if err == nil {
			var note []byte
			if note, err = record.Sign(text, c.signer); err == nil {
				return note
			}
		}
	}
	panic(err) // a draft that this file has wrong
}
