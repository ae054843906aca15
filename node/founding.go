package node

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
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
// directory, the genesis record and the admissions, signed by all governors,
// and writes the founding file and the trust policy. It is for founders who
// sit at one machine; it refuses to found a cluster a second time.
func Found(c *Cluster, now time.Time) (*Founding, error) {
	if _, err := os.Stat(c.FoundingPath()); !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New("founded", c.FoundingPath(), "this cluster is founded already").
			WithHint("a log has one genesis; to begin another one choose another dir")
	}
	b := &founder{c: c, now: now}
	founding, err := b.founding()
	if err != nil {
		return nil, err
	}
	b.origin = record.Origin(c.Name, founding)
	genesis, err := b.genesis(founding)
	if err != nil {
		return nil, err
	}
	notes := [][]byte{genesis}
	for i := range c.Members {
		n, err := b.member(&c.Members[i])
		if err != nil {
			return nil, err
		}
		notes = append(notes, n)
	}
	f, err := ParseFounding((&Founding{Notes: notes}).bytes())
	if err != nil {
		return nil, err
	}
	if err := writeNew(c.PolicyPath(), []byte(verify.PolicyText(f.Genesis))); err != nil {
		return nil, err
	}
	return f, writeNew(c.FoundingPath(), f.bytes())
}

// founder holds what is known while a cluster is being founded.
type founder struct {
	c      *Cluster
	now    time.Time
	origin string
}

// key reads a key file, or makes it when it is not there yet.
func (b *founder) key(holder, use, name string) (*keyfile.Key, error) {
	path := b.c.KeyPath(holder, use)
	k, err := keyfile.ReadKeyFile(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if k, err = keyfile.NewKey(use, name, rand.Reader); err != nil {
			return nil, err
		}
		return k, k.WriteFile(path, nil)
	}
	if err == nil && (k.Use != use || k.Name != name) {
		return nil, fault.New("key_file", path, fmt.Sprintf("it is the %s key of %s, not the %s key of %s", k.Use, k.Name, use, name))
	}
	return k, err
}

func (b *founder) founding() (jcs.Value, error) {
	var governors []jcs.Value
	names := append([]string(nil), b.c.Governs.Names...)
	sort.Strings(names)
	for _, g := range names {
		k, err := b.key(g, keyfile.UseGovernor, g)
		if err != nil {
			return jcs.Value{}, err
		}
		public, err := k.Public()
		if err != nil {
			return jcs.Value{}, err
		}
		governors = append(governors, jcs.Make(
			jcs.Field{Name: "name", Value: jcs.Text(g)}, jcs.Field{Name: "key", Value: jcs.Text(public)}))
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	return jcs.Make(
		jcs.Field{Name: "governors", Value: jcs.Array(governors...)},
		jcs.Field{Name: "nonce", Value: jcs.Text(base64.StdEncoding.EncodeToString(nonce))},
		jcs.Field{Name: "threshold", Value: jcs.Number(int64(b.c.Governs.Threshold))}), nil
}

// registered makes one key's public form and its proof of possession.
func (b *founder) registered(holder, use, name string) (public, pop jcs.Value, err error) {
	k, err := b.key(holder, use, name)
	if err != nil {
		return jcs.Value{}, jcs.Value{}, err
	}
	text, err := k.Public()
	if err != nil {
		return jcs.Value{}, jcs.Value{}, err
	}
	var proof []byte
	switch use {
	case keyfile.UseTLS:
		id, terr := k.TLS()
		if terr != nil {
			return jcs.Value{}, jcs.Value{}, terr
		}
		proof = id.Possess(b.origin, name)
	case keyfile.UseCosigner:
		var s certs.Signer
		if s, err = k.Cosigner(time.Now); err == nil {
			proof, err = s.Possess(b.origin, use)
		}
	default:
		var s certs.Signer
		if s, err = k.Signer(); err == nil {
			proof, err = s.Possess(b.origin, use)
		}
	}
	return jcs.Text(text), jcs.Text(base64.StdEncoding.EncodeToString(proof)), err
}

func (b *founder) genesis(founding jcs.Value) ([]byte, error) {
	nodes := append([]NodeConfig(nil), b.c.Nodes...)
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].ID < nodes[j].ID })
	var list, pops []jcs.Value
	var logs, cosigners []string
	for _, n := range nodes {
		holder, own := "node/"+n.ID, record.NodeName(b.origin, n.ID)
		fields := []jcs.Field{
			{Name: "address", Value: jcs.Text(n.Address)}, {Name: "id", Value: jcs.Text(n.ID)}, {Name: "member", Value: jcs.Text(n.Member)},
		}
		for _, k := range []struct{ field, use, name string }{
			{"log_key", keyfile.UseLog, b.origin}, {"cosigner_key", keyfile.UseCosigner, own}, {"tls_key", keyfile.UseTLS, own},
		} {
			public, pop, err := b.registered(holder, k.use, k.name)
			if err != nil {
				return nil, err
			}
			fields = append(fields, jcs.Field{Name: k.field, Value: public})
			pops = append(pops, pop)
		}
		v := jcs.Make(fields...)
		logs = append(logs, v.Get("log_key").Str)
		cosigners = append(cosigners, v.Get("cosigner_key").Str)
		list = append(list, v)
	}
	policy := strings.Split(strings.TrimSuffix(verify.NewPolicy(logs, cosigners...), "\n"), "\n")
	body := jcs.Make(
		jcs.Field{Name: "feature_level", Value: jcs.Number(1)}, jcs.Field{Name: "founding", Value: founding},
		jcs.Field{Name: "nodes", Value: jcs.Array(list...)}, jcs.Field{Name: "policy", Value: jcs.Texts(policy)},
		jcs.Field{Name: "pop", Value: jcs.Array(pops...)}, jcs.Field{Name: "rules", Value: b.rules()})
	return b.sign("log.genesis/1", record.Governance, body, len(b.c.Governs.Names))
}

// rules is version 1: every type that this program knows, written by whom
// its definition names, read by its class.
func (b *founder) rules() jcs.Value {
	var types []string
	var rights []jcs.Value
	zones := map[string]bool{"UTC": true}
	for _, m := range b.c.Members {
		zones[m.Zone] = true
	}
	for _, t := range record.Types() {
		types = append(types, t.Name)
		rights = append(rights, jcs.Make(
			jcs.Field{Name: "read", Value: jcs.Texts([]string{t.ReadClass()})}, jcs.Field{Name: "type", Value: jcs.Text(t.Name)},
			jcs.Field{Name: "write", Value: jcs.Texts(t.Writers)}))
	}
	var calendars []jcs.Value
	for _, z := range sortedKeys(zones) {
		calendars = append(calendars, jcs.Make(
			jcs.Field{Name: "id", Value: jcs.Text(calendarID(z))}, jcs.Field{Name: "zone", Value: jcs.Text(z)},
			jcs.Field{Name: "weekend", Value: jcs.Array(jcs.Number(6), jcs.Number(7))}))
	}
	return jcs.Make(
		jcs.Field{Name: "calendars", Value: jcs.Array(calendars...)}, jcs.Field{Name: "cases", Value: jcs.Make()},
		jcs.Field{Name: "judgement", Value: jcs.Make()}, jcs.Field{Name: "rights", Value: jcs.Array(rights...)},
		jcs.Field{Name: "types", Value: jcs.Texts(types)}, jcs.Field{Name: "version", Value: jcs.Number(1)})
}

// calendarID turns Europe/Paris into europe_paris.
func calendarID(zone string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(zone))
}

func (b *founder) member(m *MemberConfig) ([]byte, error) {
	var admins, pops []jcs.Value
	add := func(holder, use string) (jcs.Value, error) {
		public, pop, err := b.registered(holder, use, m.Name)
		pops = append(pops, pop)
		return public, err
	}
	for _, a := range m.Admins {
		public, err := add(m.Name+"/"+a, keyfile.UseAdmin)
		if err != nil {
			return nil, err
		}
		admins = append(admins, jcs.Make(jcs.Field{Name: "actor", Value: jcs.Text(a)}, jcs.Field{Name: "key", Value: public}))
	}
	key, err := add(m.Name, keyfile.UseRecord)
	if err != nil {
		return nil, err
	}
	pin, err := add(m.Name, keyfile.UseTLS)
	if err != nil {
		return nil, err
	}
	fields := []jcs.Field{
		{Name: "admin_keys", Value: jcs.Array(admins...)}, {Name: "calendar", Value: jcs.Text(calendarID(m.Zone))},
		{Name: "country", Value: jcs.Text(m.Country)}, {Name: "documents_checked", Value: jcs.Texts([]string{"founder"})},
		{Name: "keys", Value: jcs.Array(key)}, {Name: "kind", Value: jcs.Texts(m.Kind)},
		{Name: "legal_name", Value: jcs.Text(m.LegalName)}, {Name: "name", Value: jcs.Text(m.Name)},
		{Name: "pop", Value: jcs.Array(pops...)}, {Name: "tls_keys", Value: jcs.Array(pin)},
		{Name: "valid_from", Value: jcs.Text(b.now.UTC().Format(time.DateOnly))}, {Name: "zone", Value: jcs.Text(m.Zone)},
	}
	if len(m.WMI) > 0 {
		fields = append(fields, jcs.Field{Name: "wmi", Value: jcs.Texts(m.WMI)})
	}
	return b.sign("member.admitted/1", record.MemberSubject(m.Name), jcs.Make(fields...), b.c.Governs.Threshold)
}

// sign has the first n governors sign a record.
func (b *founder) sign(typ, subject string, body jcs.Value, n int) ([]byte, error) {
	names := append([]string(nil), b.c.Governs.Names...)
	sort.Strings(names)
	var signers []certs.Signer
	for _, g := range names[:n] {
		k, err := b.key(g, keyfile.UseGovernor, g)
		if err != nil {
			return nil, err
		}
		s, err := k.Signer()
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	id, err := record.NewUUIDv7(b.now, rand.Reader)
	if err != nil {
		return nil, err
	}
	text, err := record.Draft{
		Author: names[0], Body: body, Captured: record.FormatUTC(b.now), EventTime: record.FormatUTC(b.now), ID: id,
		Origin: b.origin, Precision: "second", Subjects: []string{subject}, Type: typ,
	}.Text()
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", typ, subject, err)
	}
	return record.Sign(text, signers...)
}

func sortedKeys(m map[string]bool) []string {
	var ks []string
	for k := range m {
		ks = append(ks, k)
	}
	sort.Strings(ks)
	return ks
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
