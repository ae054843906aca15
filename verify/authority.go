package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/cases"
)

// Authority is who may write what, at one place of the log: governors, nodes
// and rules from the governance history, members and their keys from theirs.
// It is a pure function of the records applied so far. A verifier that holds
// only some members' histories knows only those members.
//
// A *Member, *Node or *Key that it gives out stays as it was: Apply puts
// others in their place.
type Authority struct {
	Origin     string      // of the log, or of the predecessor whose leaves are being replayed
	Governance *Governance // nil before genesis
	Members    map[string]*Member
	heir       string            // origin of the log whose predecessors are being replayed; "" otherwise
	used       map[string]bool   // public keys, and name+key ID pairs, ever registered
	pins       map[string]string // TLS key -> who registered it, once for ever
}

// SigCheck reports whether sig is the Ed25519 signature of text by public.
// Whatever is handed in accepts exactly what certs.VerifyEd25519 accepts.
type SigCheck func(public, text, sig []byte) bool

// Governance is the state of the governance history.
type Governance struct {
	Governors []Governor       `json:"governors"` // sorted by name
	Threshold int              `json:"threshold"`
	Level     int64            `json:"level"` // feature level
	Rules     Rules            `json:"rules"`
	Nodes     map[string]*Node `json:"nodes"` // by id
	Policy    string           `json:"policy"`
	Policies  []string         `json:"policies"` // SHA-256 of each policy ever in force, hex, in their order
	Last      string           `json:"last"`     // leaf hash of the newest record, hex
	// Appointed is the leaf hash of the governors.changed that put the present
	// governors in office, hex; "" while the founders govern.
	Appointed string   `json:"appointed,omitempty"`
	Removed   []Gone   `json:"removed,omitempty"` // nodes that are no more, in their order
	Former    []Former `json:"former,omitempty"`  // keys of governors and nodes that count no more
	Closed    string   `json:"closed,omitempty"`  // origin of the successor of a log that was closed

	Predecessors []Predecessor `json:"predecessors,omitempty"` // logs whose leaves this one begins with, oldest first
	// Origin is that of the predecessor whose leaves were applied last; ""
	// from the log's own genesis on.
	Origin string `json:"origin,omitempty"`
}

// Former is a key of a governor or a node that counts no more. It is kept
// because no key is ever registered twice.
type Former struct {
	Name string `json:"name"` // that it was registered under
	Key  Key    `json:"key"`  // Revoked says where it ended
}

// Governor is one of those whose signatures make governance records.
type Governor struct {
	Name string `json:"name"`
	Key  Key    `json:"key"`
}

// Node is a node of the cluster as governance registered it.
type Node struct {
	ID       string `json:"id"`
	Member   string `json:"member"`
	Address  string `json:"address"`
	Log      Key    `json:"log"`
	Cosigner Key    `json:"cosigner"`
	TLS      Key    `json:"tls"`
}

// Gone is a node that was removed, as it was before.
type Gone struct {
	*Node
	Index uint64 `json:"index"` // of the record that removed it
}

// Gone reports whether a node of this id was removed.
func (g *Governance) Gone(id string) bool {
	return slices.ContainsFunc(g.Removed, func(v Gone) bool { return v.ID == id })
}

// Rules are what rules.published and genesis put in force.
type Rules struct {
	Version int64               `json:"version"`
	Types   []string            `json:"types"`
	Write   map[string][]string `json:"write"` // type: writers
	Read    map[string][]string `json:"read"`  // type: readers

	Calendars []cases.Calendar `json:"calendars"`
	Cases     map[string]int64 `json:"cases"`     // bounds of cases, by name
	Judgement map[string]int64 `json:"judgement"` // parameters of the judgement, by name
	// CentralSupport is the member that acts for the maker of a car whose
	// maker is no member; "" for none.
	CentralSupport string `json:"central_support,omitempty"`
}

// Member is an organisation that may write.
type Member struct {
	Name      string   `json:"name"`
	LegalName string   `json:"legal_name"`
	Kinds     []string `json:"kinds"`
	Country   string   `json:"country"`
	Zone      string   `json:"zone"`
	ValidFrom string   `json:"valid_from"`
	ValidTo   string   `json:"valid_to,omitempty"`
	WMI       []string `json:"wmi,omitempty"`
	Calendar  string   `json:"calendar"`
	Documents []string `json:"documents"`        // kinds of document that were checked
	TaxID     string   `json:"tax_id,omitempty"` // commitment
	Keys      []*Key   `json:"keys"`
	Last      string   `json:"last"` // leaf hash of the newest record of its history, hex
	// Roles are those of each actor that has any, sorted.
	Roles     map[string][]string `json:"roles,omitempty"`
	Suspended *Suspension         `json:"suspended,omitempty"` // nil unless suspended now
}

// Suspension keeps a member from writing, and its TLS keys from reading.
type Suspension struct {
	Index  uint64 `json:"index"` // of the record that suspended it; it holds for all indices above
	Time   int64  `json:"time"`  // its log time, ms
	Reason string `json:"reason"`
}

// Uses of a key.
const (
	UseRecord   = "record"
	UseAdmin    = "admin"
	UseTLS      = "tls"
	UseLog      = "log"
	UseCosigner = "cosigner"
	UseGovernor = "governor"
)

// Key is one registered key. It counts for indices strictly above Index and
// up to that of its revocation.
type Key struct {
	VKey    string      `json:"vkey"` // for TLS the pin
	Public  []byte      `json:"public"`
	ID      string      `json:"id"` // eight hex digits; for TLS the last eight of the pin
	Use     string      `json:"use"`
	Actor   string      `json:"actor,omitempty"`
	Device  *Device     `json:"device,omitempty"`
	Index   uint64      `json:"index"`
	Time    int64       `json:"time"`         // log time of its registration, ms
	By      string      `json:"by,omitempty"` // ID of the admin key that registered it; "" for the governors
	Revoked *Revocation `json:"revoked,omitempty"`
}

// Device is what a device key is bound to.
type Device struct {
	Kind    string `json:"kind"`
	Vehicle string `json:"vehicle,omitempty"`
}

// Revocation ends a key. Since is set only for compromised keys; it marks
// earlier records and unwrites none.
type Revocation struct {
	Index  uint64 `json:"index"` // of the record that ended it; it counts for no index above
	Time   int64  `json:"time"`  // log time of the report, ms
	Reason string `json:"reason"`
	Since  string `json:"since,omitempty"`
	By     string `json:"by"`            // who reported it
	Via    string `json:"via,omitempty"` // ID of the compromised admin key with which this one fell
}

// NewAuthority returns the authority of an empty log.
func NewAuthority(origin string) *Authority {
	return &Authority{Origin: origin, Members: map[string]*Member{}, used: map[string]bool{}, pins: map[string]string{}}
}

// Place is where in the log a record stands or is about to stand.
type Place struct {
	Index uint64
	Time  int64 // log time, ms since 1970 UTC: the time of the seal of its batch
}

// Check decides whether a record may stand at a place, with sigOK as the
// check of Ed25519 signatures. It changes nothing.
func (a *Authority) Check(r *record.Record, at Place, sigOK SigCheck) error {
	if a.heir != "" && r.Type == "log.genesis/1" {
		return a.checkGenesis(r, at, sigOK)
	}
	if r.Origin != a.Origin {
		return fault.New("origin", "origin", "the record belongs to another log: "+r.Origin)
	}
	if a.Governance == nil {
		if r.Type != "log.genesis/1" {
			return fault.New("no_genesis", "", "the first record of a log is its genesis, this is "+r.Type)
		}
		return a.checkGenesis(r, at, sigOK)
	}
	if next := a.Governance.Closed; next != "" {
		return fault.New("log_closed", "", "this log is closed; it goes on in "+next)
	}
	if !contains(a.Governance.Rules.Types, r.Type) {
		return fault.New("unknown_type", "type", "the rules of this log do not know "+r.Type)
	}
	if r.Def == nil {
		return fault.New("unknown_type", "type", "this program does not know "+r.Type+"; a newer one is needed")
	}
	if r.Def.Governed() {
		return a.checkGoverned(r, at, sigOK)
	}
	return a.checkOrdinary(r, at, sigOK)
}

// checkUnknown decides, for a verifier, about a record of a type that the
// rules of the log know and this program does not: signed by whom the rules
// let write it. A node never asks this, it stops.
func (a *Authority) checkUnknown(r *record.Record, at Place, sigOK SigCheck) error {
	// How many signatures its definition asks for is unknown; more than one
	// is for records of governance, where an unknown type ends the check.
	if len(r.Sigs) != 1 {
		return fault.New("signatures", "", fmt.Sprintf("a record of the unknown type %s carries %d signatures, not one", r.Type, len(r.Sigs)))
	}
	return a.checkOrdinary(r, at, sigOK)
}

// checkOrdinary: one signature, by a record key of a member whose kind, or
// whose device, may write this type.
func (a *Authority) checkOrdinary(r *record.Record, at Place, sigOK SigCheck) error {
	m := a.Members[r.Author]
	if m == nil {
		return fault.New("author_unknown", "author", r.Author+" is not admitted at this point of the log")
	}
	if note := carriedIn(r); note != nil && !a.ownOrigin(note.Origin) {
		return fault.New("field", "body.note", "the reading that it carries is of another log, "+note.Origin)
	}
	k, err := a.signer(m, r, UseRecord, at, sigOK)
	if err != nil {
		return err
	}
	classes := m.classes(k)
	if k.Device != nil {
		classes = []string{record.WriterDevice}
		if err := k.bound(r); err != nil {
			return err
		}
	}
	writers := a.Governance.Rules.Write[r.Type]
	if k.Device == nil && contains(writers, record.WriterNode) && a.runsNode(m.Name) {
		return nil // what it writes as a node is its duty for as long as it runs one
	}
	if !mayWrite(writers, classes) {
		return fault.New("not_allowed", "type", fmt.Sprintf("%s (%s) may not write %s", m.Name, strings.Join(classes, ", "), r.Type))
	}
	if day := time.UnixMilli(at.Time).UTC().Format(time.DateOnly); day < m.ValidFrom || m.ValidTo != "" && day > m.ValidTo {
		return fault.New("membership_over", "author", fmt.Sprintf("%s is a member from %s to %s", m.Name, m.ValidFrom, orOpen(m.ValidTo)))
	}
	if y := r.Body.Get("model_year"); r.Type == "vehicle.created/1" && y.Int > int64(time.UnixMilli(at.Time).UTC().Year()+2) {
		return fault.New("field", "body.model_year", fmt.Sprintf("%d lies more than two years ahead", y.Int))
	}
	return nil
}

// bound: a key that is bound to a device of a vehicle signs about that one only.
func (k *Key) bound(r *record.Record) error {
	if k.Device != nil && k.Device.Vehicle != "" && !aboutVehicle(r, k.Device.Vehicle) {
		return fault.New("not_allowed", "subjects", "the key is bound to a device of vehicle "+k.Device.Vehicle)
	}
	return nil
}

// aboutVehicle reports whether every history of a record is one of this VIN.
func aboutVehicle(r *record.Record, vin string) bool {
	about := historiesAbout(record.VehicleSubject(vin))
	return !slices.ContainsFunc(r.Subjects, func(s string) bool { return !contains(about, s) })
}

func orOpen(date string) string {
	if date == "" {
		return "now on"
	}
	return date
}

func mayWrite(writers, classes []string) bool {
	for _, w := range writers {
		if w == record.WriterAny || contains(classes, w) {
			return true
		}
	}
	return false
}

// signer finds the member's key that signed r, checks that it counts at a
// place, and checks the signature.
func (a *Authority) signer(m *Member, r *record.Record, use string, at Place, sigOK SigCheck) (*Key, error) {
	if m.Suspended != nil {
		return nil, fault.New("suspended", "author", fmt.Sprintf("%s is suspended since log index %d (%s)", m.Name, m.Suspended.Index, m.Suspended.Reason))
	}
	k, err := m.signedWith(r, use, at, sigOK)
	if err == nil && use == UseAdmin && !m.HasRole(k.Actor, record.RoleAdministrator) {
		return nil, fault.New("not_administrator", "actor", fmt.Sprintf("%s of %s is no administrator at this point of the log", k.Actor, m.Name))
	}
	return k, err
}

// signedWith finds the member's key that signed r and checks what no later
// record changes: that the key counted at a place, is bound to the record's
// actor, and that the signature fits.
func (m *Member) signedWith(r *record.Record, use string, at Place, sigOK SigCheck) (*Key, error) {
	sig := r.Sigs[0]
	k := m.key(certs.FormatID(sig.ID))
	switch {
	case k == nil || k.Use != use:
		return nil, fault.New("key_unknown", "", fmt.Sprintf("%s has no %s key %08x", m.Name, use, sig.ID))
	case k.Index >= at.Index:
		return nil, keyEarly(k)
	case k.Revoked != nil && k.Revoked.Index < at.Index:
		return nil, fault.New("key_revoked", "", fmt.Sprintf("key %s was revoked at index %d (%s)", k.ID, k.Revoked.Index, k.Revoked.Reason))
	case k.Actor != r.Actor:
		return nil, fault.New("actor", "actor", fmt.Sprintf("key %s is bound to actor %q, the record names %q", k.ID, k.Actor, r.Actor))
	case !sigOK(k.Public, []byte(r.Text), sig.Bytes):
		return nil, fault.New("signature", "", fmt.Sprintf("the signature by %s (key %s) does not fit the record", sig.Name, k.ID))
	}
	return k, nil
}

func keyEarly(k *Key) error {
	return fault.New("key_early", "", fmt.Sprintf("key %s counts only after log index %d", k.ID, k.Index))
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
