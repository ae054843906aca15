package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// Read classes that the rules give to types.
const (
	ClassVehicle  = "V" // the vehicle's history
	ClassWorkshop = "W" // trouble codes, warranty, part orders
	ClassAccess   = "A" // grants, reads, issued reports
)

// Reader is who asks to read, as the connection shows it. The zero Reader is
// nobody.
type Reader struct {
	Node   *Node   // a node of the cluster
	Member *Member // whose TLS key it is
	Actor  string  // that this key is bound to; "" for the member's own systems
	Secret []byte  // of the link of a grant
}

// ReaderByPin returns who has a TLS key: a node, a member that is not
// suspended, or nobody. It points into the authority's state.
func (a *Authority) ReaderByPin(pin string) Reader {
	r := Reader{Node: a.NodeByPin(pin)}
	if m, k := a.memberKey(pin); m != nil {
		r.Member, r.Actor = m, k.Actor
	}
	return r
}

// Vehicle is what decides who may read about one vehicle, as of one place of
// the log.
type Vehicle struct {
	VIN     string          // or short/<number>
	Authors map[string]bool // members that wrote any record of its histories but access.used
	Grants  []Grant         // on it, in the order of the log
}

// Grant is what an access.granted says.
type Grant struct {
	Hash    string   `json:"hash"`                    // leaf hash of the record, hex
	Author  string   `json:"author"`                  // member that granted
	Member  string   `json:"member,omitempty"`        // grantee, or
	Secret  string   `json:"secret_sha256,omitempty"` // SHA-256 of the secret of a link, hex
	Types   []string `json:"types,omitempty"`         // nil for all
	From    string   `json:"from,omitempty"`          // first day of event times, YYYY-MM-DD
	To      string   `json:"to,omitempty"`            // last day
	Expires int64    `json:"expires"`                 // ms since 1970 UTC
	Revoked bool     `json:"revoked,omitempty"`
}

// ApplyGrant adds to a vehicle's grants what a record, let through by Check
// and CheckReference, grants, or ends the grant that it revokes. Other records
// change nothing. The list that is handed in stays as it is.
func ApplyGrant(grants []Grant, r *record.Record) []Grant {
	b := r.Body
	switch r.Type {
	case "access.granted/1":
		expires, _ := record.ParseUTC(b.Get("expires").Str)
		return append(slices.Clone(grants), Grant{
			Hash: Hex(r.Hash), Author: r.Author, Member: b.Get("grantee").Get("member").Str, Secret: b.Get("grantee").Get("secret_sha256").Str,
			Types: b.Get("types").Strings(), From: b.Get("from").Str, To: b.Get("to").Str, Expires: expires.UnixMilli(),
		})
	case "access.revoked/1":
		grants = slices.Clone(grants)
		for i := range grants {
			if grants[i].Hash == b.Get("grant").Str {
				grants[i].Revoked = true
			}
		}
	}
	return grants
}

// MayRead decides whether a reader may see the contents of a record about a
// vehicle: of a type, in some histories, that happened on a day (YYYY-MM-DD,
// in the offset of its event time). now is the node's clock. by is the grant that allows it,
// nil if the reader needs none. Where the vehicle's history has records that
// the reader may not see, it gets their leaf hashes.
func (a *Authority) MayRead(r Reader, v *Vehicle, typ string, histories []string, day string, now time.Time) (by *Grant, err error) {
	classes, moved := a.classesIn(typ, histories)
	for _, class := range classes {
		if ownRight(r, v, class) {
			return nil, nil
		}
	}
	return v.granted(r, now, func(g *Grant) bool {
		named := g.Types == nil || contains(g.Types, typ) && (!moved || a.opens(g, classes[0]))
		return named && (g.From == "" || day >= g.From) && (g.To == "" || day <= g.To)
	})
}

// MayOpen decides whether a reader may see that there are records at all in a
// vehicle's history of a read class: some of them, or their leaf hashes.
func (a *Authority) MayOpen(r Reader, v *Vehicle, class string, now time.Time) (by *Grant, err error) {
	if ownRight(r, v, class) {
		return nil, nil
	}
	return v.granted(r, now, func(g *Grant) bool { return a.opens(g, class) })
}

// opens reports whether a grant is for records of a read class.
func (a *Authority) opens(g *Grant, class string) bool {
	return g.Types == nil || slices.ContainsFunc(g.Types, func(t string) bool { return contains(a.readClasses(t), class) })
}

// MayReadAll decides about entry bundles, which hold whatever is in the log.
func MayReadAll(r Reader) error {
	if r.Node != nil || r.member() != nil && contains(r.Member.Kinds, "AUD") {
		return nil
	}
	return fault.New("no_access", "", "the log as a whole is for auditors")
}

// MayReadMembers decides about the histories that every member reads: those
// of members, of governance, of campaigns and notices.
func MayReadMembers(r Reader) error {
	if r.Node != nil || r.member() != nil {
		return nil
	}
	return fault.New("no_access", "", "this is for members")
}

// classesIn are the read classes of a record. What serves every kind of case
// is read as the history that it stands in: moved says that this is another
// than its type's.
func (a *Authority) classesIn(typ string, histories []string) (classes []string, moved bool) {
	def := record.Lookup(typ)
	if def == nil || len(def.Or) == 0 || len(histories) == 0 {
		return a.readClasses(typ), false
	}
	class, _, _ := strings.Cut(histories[0], "/")
	if class == def.Subjects[0] {
		return a.readClasses(typ), false
	}
	return []string{record.ClassOf(class)}, true
}

// readClasses are those that the rules give to a type, or else its definition.
func (a *Authority) readClasses(typ string) []string {
	if classes := a.Governance.Rules.Read[typ]; classes != nil {
		return classes
	}
	if d := record.Lookup(typ); d != nil {
		return d.ReadClasses()
	}
	return nil
}

// member is the reader's member unless it is suspended, which a Reader that
// is older than the suspension may be.
func (r Reader) member() *Member {
	if r.Member == nil || r.Member.Suspended != nil {
		return nil
	}
	return r.Member
}

// insider reports whether the reader acts for the firm: it is one of its own
// systems, or an actor with another role than that of a customer or financier.
func (r Reader) insider() bool {
	if r.Actor == "" {
		return true
	}
	return slices.ContainsFunc(r.member().Roles[r.Actor], func(role string) bool { return role != "customer" && role != "financier" })
}

// ownRight reports whether a reader needs no grant for a read class.
func ownRight(r Reader, v *Vehicle, class string) bool {
	if r.Node != nil {
		return true // it holds all of it anyway
	}
	m := r.member()
	if m == nil {
		return false
	}
	is := func(kind string) bool { return contains(m.Kinds, kind) }
	chain := v.Authors[m.Name]
	maker := is("MFR") && (chain || m.makes(v.VIN))
	switch class {
	case ClassVehicle:
		return chain || maker || is("AUD")
	case ClassWorkshop:
		return r.insider() && (is("DLR") && chain || maker || is("ARB"))
	case ClassAccess:
		return r.insider() && (is("DLR") && chain || maker || is("AUD"))
	}
	return MayReadMembers(r) == nil
}

// makes reports whether a VIN begins with a manufacturer identifier of the
// member. That of a small maker has six characters: the three that it shares
// with others and positions 12 to 14 (ISO 3780).
func (m *Member) makes(vin string) bool {
	v, err := record.ParseVIN(vin)
	return err == nil && (contains(m.WMI, string(v[:3])) || contains(m.WMI, string(v[:3]+v[11:14])))
}

// granted looks for a grant to the reader that is in force and covers what is
// asked for. Without one it says what the nearest lacks.
func (v *Vehicle) granted(r Reader, now time.Time, covers func(*Grant) bool) (*Grant, error) {
	err := fault.New("no_access", "", "no grant on this vehicle is for this reader, and it has no right of its own").
		WithHint("whoever has the vehicle there can grant access: access.granted/1")
	for i := len(v.Grants) - 1; i >= 0; i-- { // the newest says best why not
		g := &v.Grants[i]
		if !g.isFor(r) {
			continue
		}
		var why *fault.Error
		switch {
		case g.Revoked:
			why = fault.New("grant_revoked", "", "the grant was revoked")
		case !now.Before(time.UnixMilli(g.Expires)):
			why = fault.New("grant_expired", "", "the grant expired at "+FormatLogTime(g.Expires))
		case !covers(g):
			why = fault.New("grant_scope", "", "the grant is for other records of this vehicle")
		default:
			return g, nil
		}
		if err.Code == "no_access" {
			err = why.WithHint("ask for a new grant")
		}
	}
	return nil, err
}

// isFor reports whether a grant is a reader's.
func (g *Grant) isFor(r Reader) bool {
	if m := r.member(); m != nil && g.Member == m.Name {
		return true
	}
	if g.Secret == "" || len(r.Secret) == 0 {
		return false
	}
	sum := sha256.Sum256(r.Secret)
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(g.Secret)) == 1
}
