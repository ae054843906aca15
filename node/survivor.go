package node

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// Survivor is what is left of a log on one node: what another log can go on
// from.
type Survivor struct {
	Origin    string
	Size      uint64 // of its tree, which ends with a seal
	Root      [32]byte
	SealTime  int64  // ms
	Published uint64 // size of the newest head with a quorum that the node has known
	Beyond    int    // records in its ledger that it never knew to be final

	governance []placedRecord
	rules      jcs.Value // in force
	auth       *verify.Authority
}

type placedRecord struct {
	*record.Record
	at verify.Place
}

// ReadSurvivor audits the data directory of a node that is stopped, all of it
// (Audit), and reads what a log that goes on from it needs to know. Codes:
// recover_wrong, recovered, and those of Audit.
func ReadSurvivor(ctx context.Context, dir string, now time.Time, progress func(done, total uint64)) (*Survivor, error) {
	if err := refuseRecovered(dir, ""); err != nil {
		return nil, err
	}
	rep, err := Audit(ctx, dir, AuditOptions{Now: now, Progress: progress, Temp: filepath.Dir(filepath.Clean(dir))})
	if err != nil {
		return nil, err
	}
	if len(rep.Wrong) > 0 {
		return nil, fault.New("recover_wrong", dir, "an audit finds it wrong: "+strings.Join(rep.Wrong, "; ")).
			WithHint("begin with another node's data; if there is none, `milepost node check` and `milepost node rebuild` may make this one whole")
	}
	s := &Survivor{}
	err = s.open(dir, func(ledger *store.Store, view *log.View) error { return s.read(dir, ledger, view) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open opens a data directory for reading, and hands on its newest view.
func (s *Survivor) open(dir string, fn func(*store.Store, *log.View) error) (err error) {
	ledger, err := store.Open(filepath.Join(dir, ledgerFile), store.Config{ReadOnly: true})
	if err != nil {
		return err
	}
	defer ledger.Close()
	tree, err := log.Open(filepath.Join(dir, treeFile), log.Config{ReadOnly: true, Ledger: ledgerNotes{ledger}})
	if err != nil {
		return err
	}
	defer tree.Close()
	s.Origin = tree.Origin()
	view := tree.View()
	if view == nil {
		return fault.New("ledger_empty", dir, "the node has no record: there is nothing to go on from")
	}
	defer view.Release()
	return fn(ledger, view)
}

func (s *Survivor) read(dir string, ledger *store.Store, view *log.View) error {
	s.Size, s.Root, s.SealTime = view.Size, view.Root, view.Seal.Time
	kept, _, _, err := keptRoots(dir)
	if err != nil {
		return err
	}
	for size := range kept {
		s.Published = max(s.Published, size)
	}
	applied, _, err := view.Applied()
	if err != nil {
		return err
	}
	last, err := ledger.LastIndex()
	if err != nil {
		return err
	}
	for i := applied + 1; i <= last; i++ {
		if notes, err := (ledgerNotes{ledger}).Notes(i); err == nil {
			s.Beyond += len(notes)
		}
	}
	err = eachRecord(view, record.Governance, func(e verify.Entry, r *record.Record) error {
		s.governance = append(s.governance, placedRecord{r, verify.Place{Index: e.Index, Time: e.Time}})
		switch r.Type {
		case "log.genesis/1":
			s.rules = r.Body.Get("rules")
		case "rules.published/1":
			s.rules = jcs.Make(slices.DeleteFunc(slices.Clone(r.Body.Obj), func(f jcs.Field) bool { return f.Name == "prev" })...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.auth, err = s.replay(s.Origin)
	return err
}

// replay is the authority of the governance history as a log of an origin
// sees it, which may be one that goes on from it.
func (s *Survivor) replay(origin string) (*verify.Authority, error) {
	auth := verify.NewSuccessor(origin)
	for _, r := range s.governance {
		if err := auth.Check(r.Record, r.at, certs.VerifyEd25519); err != nil {
			return nil, fmt.Errorf("the governance history at log index %d: %w", r.at.Index, err)
		}
		auth.Apply(r.Record, r.at)
	}
	return auth, nil
}

// Founding fixes who governs the log that goes on, and so its origin: the
// governors that the cluster file names, each with the key that the log has of
// it.
func (s *Survivor) Founding(c *Cluster) (founding jcs.Value, origin string, err error) {
	if next := s.auth.Governance.Closed; next != "" {
		return founding, "", fault.New("log_closed", "", "this log is closed: it goes on in "+next+", and in no other")
	}
	var governors []*Request
	for _, g := range s.auth.Governance.Governors {
		governors = append(governors, &Request{Kind: AskGovernor, Name: g.Name, Keys: []RequestKey{{Use: keyfile.UseGovernor, Public: g.Key.VKey}}})
	}
	founding, origin, err = NewFounding(c, governors)
	if fault.Code(err) == "request_missing" {
		return founding, "", fault.New("config", "governors.names", "not all of these govern the log").Because(err).
			WithHint("its governors are " + strings.Join(s.governors(), ", ") + "; name those who can still sign, and change them later")
	}
	return founding, origin, err
}

func (s *Survivor) governors() (names []string) {
	for _, g := range s.auth.Governance.Governors {
		names = append(names, g.Name)
	}
	return names
}

// Genesis drafts the genesis that goes on from here, for all founders to sign
// and as many other governors as the threshold still lacks. seed is the node
// that begins with these leaves.
func (s *Survivor) Genesis(c *Cluster, founding jcs.Value, seed string, requests []*Request, now time.Time) (*record.Proposal, error) {
	if _, err := c.Node(seed); err != nil {
		return nil, err
	}
	g := &genesis{c: c, origin: record.Origin(c.Name, founding), now: now, requests: map[string]*Request{}, after: s, seed: seed}
	for _, q := range requests {
		g.requests[q.Kind+" "+q.Name] = q
	}
	keys := map[string]string{}
	for _, v := range founding.Get("governors").List {
		keys[v.Get("name").Str] = v.Get("key").Str
	}
	for _, old := range s.auth.Governance.Governors {
		if len(keys) < s.auth.Governance.Threshold && keys[old.Name] == "" {
			keys[old.Name] = old.Key.VKey
		}
	}
	for _, name := range sortedKeys(keys) {
		g.names, g.keys = append(g.names, name), append(g.keys, keys[name])
	}
	first, err := g.genesis(founding)
	if err != nil {
		return nil, err
	}
	return &record.Proposal{Records: []*record.Proposed{first}}, s.Check(first, now)
}

// extend completes the body of a genesis that goes on from here.
func (s *Survivor) extend(body jcs.Value) jcs.Value {
	return body.With("feature_level", jcs.Number(s.auth.Governance.Level)).
		With("predecessor", jcs.Make(jcs.Field{Name: "origin", Value: jcs.Text(s.Origin)},
			jcs.Field{Name: "root", Value: jcs.Text(verify.Hex(s.Root))}, jcs.Field{Name: "size", Value: jcs.Number(int64(s.Size))})).
		With("prev", jcs.Text(s.auth.Governance.Last)).
		With("rules", s.rules.With("version", jcs.Number(s.auth.Governance.Rules.Version+1)))
}

// Check decides whether a genesis goes on from here, as it would be when all
// have signed. That what is signed fits the proposal has seen to.
func (s *Survivor) Check(draft *record.Proposed, now time.Time) error {
	r := draft.AsIfSigned()
	p := verify.PredecessorOf(r)
	if p == nil {
		return fault.New("predecessor", "", "this genesis goes on from no other log")
	}
	auth, err := s.replay(r.Origin)
	if err != nil {
		return err
	}
	if err := auth.Check(r, verify.Place{Index: s.Size, Time: now.UnixMilli()}, func(_, _, _ []byte) bool { return true }); err != nil {
		return err
	}
	return p.CheckRoot(s.Root)
}
