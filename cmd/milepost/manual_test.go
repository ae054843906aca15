package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// Every variable that a flag reads is among the settings that `config check`
// shows, with that flag, and no setting names a flag that there isn't.
// docs/architecture.md has all of them.
func TestSettingsAreThoseOfTheFlags(t *testing.T) {
	t.Parallel()
	read := map[string]string{} // variable -> flag
	eachCommand(newApp(nil, nil, nil).Commands, func(c *cli.Command) {
		for _, f := range c.Flags {
			if d, ok := f.(cli.DocGenerationFlag); ok {
				for _, env := range d.GetEnvVars() {
					read[env] = f.Names()[0]
				}
			}
		}
	})
	page := readFile(t, "../../docs/architecture.md")
	for _, s := range settings {
		if !strings.Contains(page, "| `"+s.env+"` |") {
			t.Errorf("docs/architecture.md lacks %s", s.env)
		}
		if read[s.env] != s.flag {
			t.Errorf("%s: the flag is %q, not %q", s.env, read[s.env], s.flag)
		}
		delete(read, s.env)
	}
	for env, flag := range read {
		t.Errorf("config check does not know %s (--%s)", env, flag)
	}
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(append([]string{"milepost"}, args...), strings.NewReader(""), &out, &errs); status != exitDone {
		t.Fatalf("%v: status %d: %s", args, status, errs.String())
	}
	return out.String()
}

// The manual page has every command and flag, and is the same each time; a
// formatter, where there is one, has nothing to say against it.
func TestManual(t *testing.T) {
	t.Parallel()
	page := output(t, "man")
	if page != output(t, "man") {
		t.Error("a second page differs")
	}
	eachCommand(newApp(nil, nil, nil).Commands, func(c *cli.Command) {
		if !c.Hidden && !strings.Contains(page, roff(c.Usage)) {
			t.Errorf("%s is missing", c.Name)
		}
		for _, f := range c.Flags {
			if name := f.Names()[0]; len(name) > 1 && !strings.Contains(page, ".B "+roff("--"+name)) {
				t.Errorf("--%s of %s is missing", name, c.Name)
			}
		}
	})
	for i, l := range strings.Split(page, "\n") {
		if strings.HasPrefix(l, ".") && !slices.Contains([]string{".TH", ".SH", ".SS", ".TP", ".B", ".PP", ".nf", ".fi"}, strings.Fields(l)[0]) {
			t.Errorf("line %d: %s", i+1, l)
		}
	}
	if man, err := exec.LookPath("groff"); err == nil {
		c := exec.Command(man, "-man", "-Tutf8", "-ww", "-z")
		c.Stdin = strings.NewReader(page)
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("groff: %v\n%s", err, out)
		}
	}
}
