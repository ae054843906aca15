package node

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// grantScheme is how the link of a grant shows itself:
// Authorization: Milepost-Grant <base64 of 32 bytes>.
const grantScheme = "Milepost-Grant "

// readerOf is who asks to read: by TLS key, by the secret of a grant's link,
// or nobody.
func (n *Node) readerOf(r *http.Request, c caller) (verify.Reader, error) {
	var reader verify.Reader
	if c.pin != "" {
		n.state.withAuthority(func(a *verify.Authority) { reader = a.ReaderByPin(c.pin) })
		if reader.Node == nil {
			reader.Node = c.node
		}
	}
	if h := r.Header.Get("Authorization"); h != "" {
		secret, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(h, grantScheme))
		if err != nil || len(secret) != 32 || !strings.HasPrefix(h, grantScheme) {
			return reader, fault.New("request_form", "Authorization", "it is not "+grantScheme+"and base64 of 32 bytes")
		}
		reader.Secret = secret
	}
	return reader, nil
}

// vehicleAt gathers, from one view of the log, what decides who may read
// about a vehicle: who wrote about it, and the grants on it. The records of
// its own history are shown to see on the way, which may be nil.
func vehicleAt(view *log.View, subject string, see func(verify.Entry, *record.Record)) (*verify.Vehicle, error) {
	vin := strings.TrimPrefix(subject, "vehicle/")
	v := &verify.Vehicle{VIN: vin, Authors: map[string]bool{}}
	for _, s := range []string{subject, "workshop/" + vin, "access/" + vin} {
		err := eachRecord(view, s, func(e verify.Entry, r *record.Record) error {
			if s == subject && see != nil {
				see(e, r)
			}
			if r.Type != "access.used/1" { // having served somebody else gives no right
				v.Authors[r.Author] = true
			}
			v.Grants = verify.ApplyGrant(v.Grants, r)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

// reading is one request to read about a vehicle.
type reading struct {
	n      *Node
	reader verify.Reader
	on     *verify.Vehicle
	size   uint64
	used   map[string]*verify.Grant // grants that were needed, by hash
	types  map[string]bool          // of the records shown by them
}

func (n *Node) newReading(reader verify.Reader, h *head, subject string) (*reading, error) {
	on, err := vehicleAt(h.view, subject, nil)
	if err != nil {
		return nil, err
	}
	return &reading{n: n, reader: reader, on: on, size: h.size, used: map[string]*verify.Grant{}, types: map[string]bool{}}, nil
}

// openVehicle begins a reading of a vehicle's history, or says why it may not
// be read. That there is none is for every member to know.
func (n *Node) openVehicle(r *http.Request, c caller, h *head, subject string) (*reading, error) {
	reader, err := n.readerOf(r, c)
	if err != nil {
		return nil, err
	}
	rd, err := n.newReading(reader, h, subject)
	if err != nil {
		return nil, err
	}
	var by *verify.Grant
	n.state.withAuthority(func(a *verify.Authority) {
		if len(rd.on.Authors) == 0 && verify.MayReadMembers(reader) == nil {
			return
		}
		by, err = a.MayOpen(reader, rd.on, verify.ClassVehicle, n.now())
	})
	rd.note(by, "")
	return rd, n.stranger(c, reader, err)
}

// open says whether the reader may have one more of the vehicle's histories,
// workshop/ or access/, in a file.
func (rd *reading) open(subject string) (err error) {
	class := verify.ClassAccess
	if strings.HasPrefix(subject, "workshop/") {
		class = verify.ClassWorkshop
	}
	var by *verify.Grant
	rd.n.state.withAuthority(func(a *verify.Authority) { by, err = a.MayOpen(rd.reader, rd.on, class, rd.n.now()) })
	rd.note(by, "")
	return err
}

// notices lists the histories of what was announced that matters to the
// vehicle: by its makers, and by the authors of the records that the reader
// may see. They are for members.
func (rd *reading) notices(h *head, subject string) (subjects, makers []string, err error) {
	if err := verify.MayReadMembers(rd.reader); err != nil {
		return nil, nil, err
	}
	authors := map[string]bool{}
	err = eachRecord(h.view, subject, func(_ verify.Entry, r *record.Record) error {
		if rd.shows(r) {
			authors[r.Author] = true
		}
		return nil
	})
	rd.n.state.withAuthority(func(a *verify.Authority) { subjects, makers = a.NoticeHistories(subject, sortedKeys(authors)) })
	return subjects, makers, err
}

// stranger puts a plainer refusal in the place of another for whoever comes
// with neither a member's key nor a grant.
func (n *Node) stranger(c caller, reader verify.Reader, err error) error {
	if err != nil && reader.Node == nil && reader.Member == nil && reader.Secret == nil {
		return n.admit(c, members)
	}
	return err
}

// note remembers that a grant was needed.
func (rd *reading) note(by *verify.Grant, typ string) {
	if by == nil {
		return
	}
	rd.used[by.Hash] = by
	if typ != "" {
		rd.types[typ] = true
	}
}

// shows decides whether the reader may see the contents of a record.
func (rd *reading) shows(r *record.Record) bool {
	var by *verify.Grant
	var err error
	rd.n.state.withAuthority(func(a *verify.Authority) {
		by, err = a.MayRead(rd.reader, rd.on, r.Type, r.Subjects, r.EventTime.Format(time.DateOnly), rd.n.now())
	})
	if err == nil {
		rd.note(by, r.Type)
	}
	return err == nil
}

// withhold leaves out the contents that the reader may not see, and never
// the count: the leaf hash stays.
func (rd *reading) withhold(h *verify.FileHistory) error {
	for i := range h.Entries {
		e := &h.Entries[i]
		r, err := record.Open(e.Note)
		if err != nil {
			return err
		}
		if !rd.shows(r) {
			e.Note = nil
		}
	}
	return nil
}

// close writes down, on the log, which grants were used, before anything is
// handed over: one access.used a grant, reader and hour.
func (rd *reading) close(ctx context.Context) error {
	for _, g := range rd.used {
		if err := rd.n.usage.record(ctx, rd, g); err != nil {
			return err
		}
	}
	return nil
}

// usage writes access.used records, in the name of the member that runs this
// node.
type usage struct {
	n *Node

	mu     sync.Mutex
	member string
	signer certs.Signer         // nil: the member's record key is not here, or not read yet
	done   map[string]time.Time // grant and reader -> hour for which it is on the log
}

func (n *Node) openUsage() {
	n.usage = &usage{n: n, done: map[string]time.Time{}}
	if err := n.usage.identify(); err != nil {
		n.log.Warn("reads by grant are refused here: they are written down with the member's record key", "err", err)
	}
}

// identify makes sure of the record key of the member that runs this node. A
// node may join after it has started, its member exchange the key, or another
// member take it over: then the key is read when it is needed. While the node
// is registered nowhere there is none, and no error.
func (u *usage) identify() error {
	v := u.n.nodesNow()[u.n.id]
	if v == nil || u.signer != nil && u.member == v.Member {
		return nil
	}
	u.signer, u.member = nil, v.Member
	k, err := keyfile.ReadKeyFile(u.n.cluster.KeyPath(v.Member, keyfile.UseRecord), u.n.passphrase)
	if err != nil {
		return fmt.Errorf("record key of %s: %w", v.Member, err)
	}
	u.signer, err = k.Signer()
	return err
}

func (u *usage) record(ctx context.Context, rd *reading, g *verify.Grant) error {
	now := u.n.now().UTC()
	hour := now.Truncate(time.Hour)
	who, authentication := g.Member, "tls"
	if who == "" {
		who, authentication = g.Secret, "grant_link"
	}
	key := g.Hash + " " + who
	// The reader holds a view of the tree while it waits, for the others here
	// and for the quorum: not for longer than any answer may take.
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	u.mu.Lock()
	defer u.mu.Unlock()
	if ctx.Err() != nil {
		return errLate
	}
	if u.done[key].Equal(hour) {
		return nil
	}
	refused, err := u.write(ctx, rd, g.Hash, authentication, key, now)
	if err == nil && refused != nil {
		// The member may have exchanged its key since this node read it.
		u.signer = nil
		refused, err = u.write(ctx, rd, g.Hash, authentication, key, now)
	}
	if err != nil {
		return err
	}
	if refused != nil {
		return fault.New(refused.Code, "", refused.Error)
	}
	u.done[key] = hour
	for k, h := range u.done {
		if now.Sub(h) > 2*time.Hour {
			delete(u.done, k)
		}
	}
	return nil
}

// write has one record of use put on the log, or says why that was refused.
func (u *usage) write(ctx context.Context, rd *reading, grant, authentication, key string, now time.Time) (refused *ErrorBody, err error) {
	if err := u.identify(); err != nil || u.signer == nil {
		u.n.log.Warn("a read by grant was refused: it can't be written down", "member", u.member, "err", err)
		return nil, fault.New("no_usage_key", "", "this node cannot write down that a grant was used").
			WithHint("ask another node; this one's operator finds the reason in its log")
	}
	types := jcs.Text("all")
	if len(rd.types) > 0 {
		types = jcs.Texts(sortedKeys(rd.types))
	}
	// The id says grant, reader and hour, so that a node that restarts does
	// not write the same twice.
	hour := now.Truncate(time.Hour)
	h := sha256.Sum256([]byte("milepost/access-used-id@v1\n" + key + "\n" + hour.Format(time.RFC3339)))
	text, err := record.Draft{
		Author: u.member, Origin: u.n.origin, Type: "access.used/1", Subjects: []string{"access/" + rd.on.VIN},
		ID: record.FormatUUID(record.UUIDv7(hour.UnixMilli(), [16]byte(h[:16]))), Captured: record.FormatUTC(now), EventTime: record.FormatUTC(now), Precision: "second",
		Body: jcs.Make(jcs.Field{Name: "authentication", Value: jcs.Text(authentication)}, jcs.Field{Name: "grant", Value: jcs.Text(grant)},
			jcs.Field{Name: "size", Value: jcs.Number(int64(rd.size))}, jcs.Field{Name: "types", Value: types}),
	}.Text()
	if err != nil {
		return nil, err
	}
	note, err := record.Sign(text, u.signer)
	if err != nil {
		return nil, err
	}
	answer, err := u.n.accept(ctx, u.member, [][]byte{note})
	if err != nil {
		return nil, err
	}
	if e := answer.Records[0].Error; e != nil && e.Code != "id_reused" {
		return e, nil
	}
	return nil, nil
}

// mayReadRecord decides about a single record: whoever may see it in the
// history of one of its vehicles may see it.
func (n *Node) mayReadRecord(r *http.Request, c caller, h *head, rec *record.Record) (*reading, error) {
	reader, err := n.readerOf(r, c)
	if err != nil {
		return nil, err
	}
	vehicles := rec.Vehicles()
	if len(vehicles) == 0 {
		return nil, n.stranger(c, reader, verify.MayReadMembers(reader))
	}
	for _, vehicle := range vehicles {
		rd, err := n.newReading(reader, h, vehicle)
		if err != nil {
			return nil, err
		}
		if rd.shows(rec) {
			return rd, nil
		}
	}
	return nil, n.stranger(c, reader, fault.New("no_access", "", "this reader may not see this record").
		WithHint("whoever has the vehicle there can grant access: access.granted/1"))
}
