package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/verify"
)

// exits is one call of the program and how it ends.
type exits struct {
	args   string // @ is the directory of the test
	status int
	code   string // "" for none
}

// What ends with which status, while a cluster runs and after it has stopped.
// Scripts build on it: 1 is an answer of no, 2 is that there is no answer.
func TestExitStatuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := os.Mkdir(at("c"), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := embed.Start(ctx, embed.Config{Dir: at("c"), LastWord: writeCluster(at("c"), embed.Example)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	exitFiles(t, at)
	const (
		as      = " --config @c/cluster.toml --as dealer.example/lyon"
		reading = " value=100 unit=KMT precision=exact purpose=service_in result=read source=visual"
		two     = " --signers board.example/chair,board.example/inspection"
		propose = "member propose member.suspended name=dealer.example/turin reason=fraud -o @"
		key     = " --offline --key @c/keys/"
		checked = " --policy @example.policy --at 2026-05-04T11:00:00Z"
		car     = "VF1AAAA0000000001"
	)
	exitRows(t, dir, []exits{
		// Usage.
		{"--version", exitDone, ""},
		{"nonsense", exitFailed, "usage"},
		{"key nonsense", exitFailed, "usage"},
		{"verify", exitFailed, "usage"},
		{"verify x --polcy p", exitFailed, "usage"},
		{"verify x --policy", exitFailed, "usage"},
		// Proof files.
		{"verify @example.mileproof" + checked, exitDone, ""},
		{"verify --json @example.mileproof" + checked, exitDone, ""},
		{"verify --json @forged.mileproof" + checked, exitRefused, ""},
		{"verify @forged.mileproof" + checked, exitRefused, "index_present"},
		{"verify @withheld.mileproof" + checked, exitRefused, "withheld"},
		{"verify @withheld.mileproof --allow-withheld" + checked, exitDone, ""},
		{"verify @cut.mileproof" + checked, exitRefused, "proof_form"},
		{"verify @example.mileproof --max-age 1ms" + checked, exitRefused, "too_old"},
		{"verify @example.mileproof --policy @c/trust.policy", exitRefused, "seal_origin"},
		{"report @forged.mileproof -o @forged.html" + checked, exitRefused, "index_present"},
		{"report @example.mileproof -o @example.html" + checked, exitDone, ""},
		{"verify @example.mileproof", exitFailed, "usage"},
		{"verify @example.mileproof --policy @nowhere", exitFailed, "file"},
		{"verify @nowhere" + checked, exitFailed, "file"},
		{"verify @example.mileproof --policy @example.mileproof", exitFailed, "policy_form"},
		{"attach check @example.mileproof @cut.mileproof", exitRefused, ""},
		// Key and cluster files.
		{"key new --use record --name dealer.example/lyon @own.key", exitDone, ""},
		{"key show @own.key", exitDone, ""},
		{"key new --use record --name dealer.example/lyon @own.key", exitFailed, "key_file_exists"},
		{"key show @open.key", exitFailed, "key_file_open"},
		{"key show @nowhere", exitFailed, "key_file"},
		{"cluster genesis --config @unknown.toml", exitFailed, "config"},
		{"cluster genesis --config @nowhere", exitFailed, "config"},
		{"cluster genesis --config @c/cluster.toml", exitFailed, "founded"},
		// Records.
		{"record new odometer.reading/1 --vehicle " + car + " -o @now.draft" + as + reading, exitDone, ""},
		{"record new odometer.reading/1 --vehicle " + car + " value=much" + as, exitFailed, "json_form"},
		{"record new odometer.reading/1 --vehicle " + car + " --time 2999-01-01T00:00:00Z -o @future.draft" + as + reading, exitDone, ""},
		{"record sign @now.draft -o @now.record" + as, exitDone, ""},
		{"record sign @future.draft -o @future.record" + as, exitDone, ""},
		{"record submit @now.record" + as, exitDone, ""},
		{"record submit @now.record" + as, exitDone, ""},
		{"record submit @future.record" + as, exitRefused, "future"},
		{"record submit @now.draft" + as, exitFailed, "note_form"},
		{"record show " + strings.Repeat("0", 64) + as, exitFailed, "no_record"},
		{"history " + car + as, exitDone, ""},
		{"history " + car + " --config @c/cluster.toml --grant " + strings.Repeat("A", 43) + "=", exitFailed, "no_access"},
		{"history " + car + " --config @c/cluster.toml --as nobody.example", exitFailed, "key_file"},
		{"member list dealer.example/nobody" + as, exitFailed, "no_member"},
		{"record import @example.policy" + as, exitFailed, "import_header"},
		// Proposals.
		{propose + "a.proposal" + two + as, exitDone, ""},
		{propose + "b.proposal" + two + as, exitDone, ""},
		{propose + "a.proposal" + two + as, exitFailed, "file_exists"},
		{propose + "c.proposal --signers board.example/chair" + as, exitFailed, "threshold"},
		{propose + "c.proposal --signers board.example/chair,board.example/nobody" + as, exitFailed, "not_governor"},
		{"member propose member.reinstated name=dealer.example/turin -o @c.proposal" + two + as, exitRefused, "member_state"},
		{"member propose node.removed id=oslo reason=left -o @c.proposal" + two + as, exitFailed, "node_unknown"},
		{"key revoke 00000000 --reason lost --admin chief" + as, exitFailed, "key_unknown"},
		{"member apply @a.proposal" + as, exitRefused, "proposal_unsigned"},
		{"member sign @a.proposal" + key + "board.example_insurers.governor.key", exitRefused, "proposal_signer"},
		{"member sign @a.proposal" + key + "dealer.example_lyon.record.key", exitFailed, "key_use"},
		{"member sign @a.proposal" + key + "board.example_chair.governor.key", exitDone, ""},
		{"member sign @a.proposal" + key + "board.example_chair.governor.key", exitRefused, "proposal_signed"},
		{"member apply @a.proposal" + as, exitRefused, "proposal_unsigned"},
		{"member apply @a.proposal @b.proposal" + as, exitFailed, "proposal_other"},
		{"member apply @now.record" + as, exitFailed, "proposal_form"},
		{"member sign @a.proposal" + key + "board.example_inspection.governor.key", exitDone, ""},
		{"member apply @a.proposal" + as, exitDone, ""},
		{"member propose member.admitted --request @now.record documents_checked=register_extract -o @c.proposal" + two + as, exitFailed, "request_file"},
		// A cluster and its data.
		{"cluster status" + as, exitDone, ""},
		{"audit @c/data/lyon", exitFailed, "data_in_use"},
		{"audit @", exitFailed, "data_dir"},
	})
	signed, err := os.ReadFile(at("a.proposal"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stop()
	for name, data := range map[string][]byte{
		"signature.proposal":   bytes.Replace(signed, []byte("fraud"), []byte("other"), 1),
		"c/data/turin/raft.db": []byte("no database"),
	} {
		if err := os.WriteFile(at(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exitRows(t, dir, []exits{
		{"member sign @signature.proposal --offline", exitFailed, "signature"},
		{"history " + car + as, exitFailed, "unreachable"},
		{"record submit @now.record" + as, exitFailed, "unreachable"},
		{"cluster status" + as, exitRefused, "unreachable"},
		{"audit @c/data/lyon --policy @c/trust.policy", exitDone, ""},
		{"audit @c/data/turin", exitRefused, ""},
		{"node check @c/data/lyon", exitDone, ""},
		{"node check @c/data/turin", exitRefused, ""},
		{"node rebuild @c/data/turin", exitFailed, "ledger_corrupt"},
	})
}

// exitFiles lays out what the calls are made with.
func exitFiles(t *testing.T, at func(string) string) {
	t.Helper()
	file, err := os.ReadFile("../../verify/testdata/example.mileproof")
	if err != nil {
		t.Fatal(err)
	}
	policy, err := os.ReadFile("../../verify/testdata/example.policy")
	if err != nil {
		t.Fatal(err)
	}
	part, err := verify.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Withhold("odometer.reading"); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(at("c/keys/dealer.example_lyon.record.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"example.mileproof":  file,
		"example.policy":     policy,
		"forged.mileproof":   bytes.Replace(file, []byte(`\"value\":29877`), []byte(`\"value\":19877`), 1),
		"withheld.mileproof": part.Bytes(),
		"cut.mileproof":      file[:len(file)/2],
		"unknown.toml":       []byte("nmae = \"milepost.example/demo\"\n"),
		"open.key":           key,
	} {
		if err := os.WriteFile(at(name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var namedCode = regexp.MustCompile(`(?m)\[([a-z0-9_]+)\]$|^ *code: ([a-z0-9_]+)$`)

// exitRows makes calls one after the other, and holds docs/errors.md to how
// they end.
func exitRows(t *testing.T, dir string, rows []exits) {
	t.Helper()
	documented := documentedExits(t)
	for _, r := range rows {
		args := strings.Fields("milepost " + strings.ReplaceAll(r.args, "@", dir+"/"))
		var out, errs bytes.Buffer
		status := run(args, strings.NewReader(""), &out, &errs)
		said := ""
		if m := namedCode.FindStringSubmatch(out.String() + errs.String()); m != nil && status != exitDone { // a warning has a code too
			said = m[1] + m[2]
		}
		if status != r.status || said != r.code {
			t.Errorf("milepost %s\nends with %d [%s], want %d [%s]:\n%s%s", r.args, status, said, r.status, r.code, out.String(), errs.String())
		}
		if said != "" && !strings.Contains(documented[said], fmt.Sprint(status)) {
			t.Errorf("milepost %s\nends with %d [%s]; by docs/errors.md the status of that is %q", r.args, status, said, documented[said])
		}
	}
}

// documentedExits reads the exit column of docs/errors.md.
func documentedExits(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		out[strings.Trim(cells[0], "`")] = cells[len(cells)-1]
	}
	return out
}
