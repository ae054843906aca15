package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// Founding is what every node of a log begins with: the genesis record and
// the admission of the first members. The file has the form of a bulk submit.
type Founding struct {
	Origin  string
	Genesis *record.Record
	Notes   [][]byte // the genesis first
	Records []*record.Record
}

type notesJSON struct {
	Notes []string `json:"notes"`
}

// ReadFounding reads a founding file and checks it against itself: the
// genesis hashes to its own origin, and every record may stand where it does.
func ReadFounding(path string) (*Founding, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New("founding", path, "the founding file cannot be read").Because(err).
			WithHint("run `milepost cluster genesis` first, or copy the file from another founder")
	}
	f, err := ParseFounding(data)
	if err != nil {
		return nil, fault.New("founding", path, "not the founding of a log").Because(err)
	}
	return f, nil
}

// ParseFounding reads the content of a founding file.
func ParseFounding(data []byte) (*Founding, error) {
	if len(data) > maxBody {
		return nil, fault.New("too_large", "", "it is larger than a founding may be")
	}
	notes, err := parseNotes(data)
	if err != nil {
		return nil, err
	}
	if len(notes) == 0 || len(notes) > maxBatchRecords {
		return nil, fault.New("founding", "", "it holds no record, or too many")
	}
	f := &Founding{}
	var auth *verify.Authority
	for i, n := range notes {
		r, err := record.Open(n)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		if i == 0 {
			f.Origin, f.Genesis = r.Origin, r
			auth = verify.NewAuthority(r.Origin)
			if verify.PredecessorOf(r) != nil && len(notes) == 1 {
				// Whether it may stand where it does is for those to tell who have
				// the leaves before it.
				f.Notes, f.Records = append(f.Notes, n), append(f.Records, r)
				return f, verify.CheckGenesis(r, certs.VerifyEd25519)
			}
		}
		at := verify.Place{Index: uint64(i), Time: r.Captured.UnixMilli()}
		if err := auth.Check(r, at, certs.VerifyEd25519); err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		auth.Apply(r, at)
		f.Notes, f.Records = append(f.Notes, n), append(f.Records, r)
	}
	return f, nil
}

func (f *Founding) bytes() []byte {
	var out notesJSON
	for _, n := range f.Notes {
		out.Notes = append(out.Notes, string(n))
	}
	b, _ := json.Marshal(out)
	return append(b, '\n')
}

// Found makes the keys of all founders that are missing below the cluster's
// directory, the genesis record and the admissions, signed by the governors,
// and writes the founding file and the trust policy. It is for founders who
// sit at one machine; it refuses to found a cluster a second time. Founders
// who sit apart go the same way by files: NewFounding, Genesis, Founded.
func Found(c *Cluster, now time.Time) (*Founding, error) {
	if err := c.Unfounded(); err != nil {
		return nil, err
	}
	key := func(holder, use, name string) (*keyfile.Key, error) {
		k, _, err := KeyAt(c.KeyPath(holder, use), use, name, nil)
		return k, err
	}
	var governors []*Request
	for _, g := range c.Governs.Names {
		q, err := NewRequest(AskGovernor, g, "", jcs.Value{}, nil, key)
		if err != nil {
			return nil, err
		}
		governors = append(governors, q)
	}
	founding, origin, err := NewFounding(c, governors)
	if err != nil {
		return nil, err
	}
	var requests []*Request
	for i := range c.Nodes {
		q, err := NewRequest(AskNode, c.Nodes[i].ID, origin, c.Nodes[i].Details(), nil, key)
		if err != nil {
			return nil, err
		}
		requests = append(requests, q)
	}
	for i := range c.Members {
		m := &c.Members[i]
		q, err := NewRequest(AskMember, m.Name, origin, m.Details(), m.Admins, key)
		if err != nil {
			return nil, err
		}
		requests = append(requests, q)
	}
	p, err := Genesis(c, founding, requests, now)
	if err != nil {
		return nil, err
	}
	for _, g := range c.Governs.Names {
		k, err := key(g, keyfile.UseGovernor, g)
		if err != nil {
			return nil, err
		}
		s, err := k.Signer()
		if err != nil {
			return nil, err
		}
		if _, err := p.Sign(s); err != nil {
			return nil, err
		}
	}
	f, err := Founded(p)
	if err != nil {
		return nil, err
	}
	return f, f.Write(c)
}

// Unfounded refuses a cluster that is founded already.
func (c *Cluster) Unfounded() error {
	if _, err := os.Stat(c.FoundingPath()); !errors.Is(err, fs.ErrNotExist) {
		return fault.New("founded", c.FoundingPath(), "this cluster is founded already").
			WithHint("a log has one genesis; to begin another one choose another dir")
	}
	return nil
}

// Founded makes the founding of a genesis that all have signed, and checks it
// as a node does.
func Founded(p *record.Proposal) (*Founding, error) {
	f := &Founding{}
	for _, r := range p.Records {
		note, err := r.Note()
		if err != nil {
			return nil, err
		}
		f.Notes = append(f.Notes, note)
	}
	return ParseFounding(f.bytes())
}

// Write writes the founding file and the trust policy of a cluster. It
// overwrites nothing.
func (f *Founding) Write(c *Cluster) error {
	if err := writeNew(c.PolicyPath(), []byte(verify.PolicyText(f.Genesis))); err != nil {
		return err
	}
	return writeNew(c.FoundingPath(), f.bytes())
}

// writeNew writes a file that must not be there yet, whole or not at all.
func writeNew(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Chmod(tmp.Name(), 0o644); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return fault.New("file_exists", path, "it is there already, or cannot be written").Because(err)
	}
	return nil
}
