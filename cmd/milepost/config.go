package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

// settings are what is set outside the cluster file: by flag or environment.
// A test holds the flags of all commands against it.
var settings = []struct{ env, flag, fallback string }{
	{"MILEPOST_CONFIG", "config", "cluster.toml"},
	{"MILEPOST_DIR", "dir", ""},
	{"MILEPOST_NODE", "node", ""},
	{"MILEPOST_AS", "as", ""},
	{"MILEPOST_ADMIN", "admin", ""},
	{"MILEPOST_POLICY", "policy", ""},
	{"MILEPOST_GRANT", "grant", ""},
	{"MILEPOST_UNIT", "unit", ""},
	{"MILEPOST_LOG_JSON", "log-json", "false"},
	{"MILEPOST_LOG_LEVEL", "log-level", "info"},
	{"MILEPOST_SCRUB", "scrub", "24h0m0s"},
	{"MILEPOST_MIN_FREE", "min-free", "256"},
	{"MILEPOST_MAX_REQUESTS", "max-requests", "10000"},
	{"MILEPOST_OUTBOX", "outbox", ""},
	{"MILEPOST_WORKSHOP", "workshop", ""},
	{"MILEPOST_WATCH_FOLDER", "watch-folder", ""},
	{"MILEPOST_PASSPHRASE_FILE", "", ""},
}

// secretSettings are shown only as set or not.
var secretSettings = []string{"MILEPOST_GRANT"}

// strangers lists the variables of the environment that begin like ours and
// are none of ours: most often a slip of the finger.
func strangers() (names []string) {
	for _, e := range os.Environ() {
		name, v, _ := strings.Cut(e, "=")
		if v != "" && strings.HasPrefix(name, "MILEPOST_") && !strings.HasPrefix(name, "MILEPOST_TEST_") &&
			!slices.ContainsFunc(settings, func(s struct{ env, flag, fallback string }) bool { return s.env == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func configCommand() *cli.Command {
	return &cli.Command{
		Name: "config", Usage: "look at the configuration",
		Subcommands: []*cli.Command{{
			Name: "check", Usage: "print every value that is in force, and where it comes from",
			Description: "Flags go over the environment, the environment over the cluster file. An unknown key of the file, or an unknown\n" +
				"variable that begins with MILEPOST_, is an error.",
			Flags:  []cli.Flag{configFlag, dirFlag, nodeFlag, asFlag, policyFlag, jsonFlag},
			Action: configCheck,
		}},
	}
}

// value is one value in force.
type value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"` // flag --x, environment X, file, default
}

func configCheck(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	if names := strangers(); len(names) > 0 {
		var known []string
		for _, s := range settings {
			known = append(known, s.env)
		}
		return fault.New("config", names[0], "there is no such variable").WithHint("there are " + strings.Join(known, ", "))
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	var values []value
	for _, s := range settings {
		values = append(values, settingOf(c, s.env, s.flag, s.fallback))
	}
	inFile, err := fileValues(c.String("config"))
	if err != nil {
		return err
	}
	values = append(values, clusterValues(cl, inFile, sourceOf(c, "MILEPOST_DIR", "dir"))...)
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(values)
	}
	width := 0
	for _, v := range values {
		width = max(width, len(v.Key))
	}
	for _, v := range values {
		fmt.Fprintf(c.App.Writer, "%-*s  %-16s  %s\n", width, v.Key, v.Source, v.Value)
	}
	return nil
}

// sourceOf tells where a flag's value comes from. One that says the same as
// the environment counts as the environment's.
func sourceOf(c *cli.Context, env, flag string) string {
	fromEnv := os.Getenv(env)
	switch {
	case flag != "" && c.IsSet(flag) && fromEnv != c.String(flag):
		return "flag --" + flag
	case fromEnv != "":
		return "environment"
	}
	return "default"
}

func settingOf(c *cli.Context, env, flag, fallback string) value {
	v := value{env, fallback, sourceOf(c, env, flag)}
	switch v.Source {
	case "environment":
		v.Value = os.Getenv(env)
	case "flag --" + flag:
		v.Value = c.String(flag)
	}
	switch {
	case slices.Contains(secretSettings, env) && v.Value != "":
		v.Value = "(set)"
	case v.Value == "":
		v.Value = "-"
	}
	return v
}

// fileValues reads which keys a cluster file sets.
func fileValues(path string) (map[string]any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New("config", path, "cannot be read").Because(bare(err))
	}
	out := map[string]any{}
	return out, toml.Unmarshal(data, &out)
}

// clusterValues lists the values of a cluster file, those that it leaves out
// with what is taken instead.
func clusterValues(cl *node.Cluster, inFile map[string]any, dirSource string) (values []value) {
	set := func(in map[string]any, key string) string {
		if _, ok := in[key]; ok {
			return "file"
		}
		return "default"
	}
	add := func(key, val, source string) {
		if val == "" {
			val = "-"
		}
		values = append(values, value{key, val, source})
	}
	full := func(path string) string {
		if abs, err := filepath.Abs(path); err == nil {
			return abs
		}
		return path
	}
	if dirSource == "default" {
		dirSource = set(inFile, "dir")
	}
	add("name", cl.Name, set(inFile, "name"))
	add("dir", full(cl.Path()), dirSource)
	add("timeout", cl.Timeout, set(inFile, "timeout"))
	add("founding", full(cl.FoundingPath()), set(inFile, "founding"))
	add("policy", full(cl.PolicyPath()), set(inFile, "policy"))
	add("governors.names", strings.Join(cl.Governs.Names, ", "), "file")
	add("governors.threshold", strconv.Itoa(cl.Governs.Threshold), "file")
	tables := func(name string, i int) map[string]any {
		list, _ := inFile[name].([]any)
		if i < len(list) {
			t, _ := list[i].(map[string]any)
			return t
		}
		return nil
	}
	for i, m := range cl.Members {
		at, t := "member["+m.Name+"].", tables("member", i)
		add(at+"legal_name", m.LegalName, set(t, "legal_name"))
		add(at+"kind", strings.Join(m.Kind, ", "), set(t, "kind"))
		add(at+"country", m.Country, set(t, "country"))
		add(at+"zone", m.Zone, set(t, "zone"))
		add(at+"admins", strings.Join(m.Admins, ", "), set(t, "admins"))
		add(at+"wmi", strings.Join(m.WMI, ", "), set(t, "wmi"))
	}
	for i, n := range cl.Nodes {
		at, t := "node["+n.ID+"].", tables("node", i)
		listen := n.Listen
		if listen == "" {
			listen = n.Address
		}
		add(at+"member", n.Member, set(t, "member"))
		add(at+"address", n.Address, set(t, "address"))
		add(at+"listen", listen, set(t, "listen"))
		add(at+"votes", strconv.FormatBool(n.Votes), set(t, "votes"))
		add(at+"tls_key", n.TLSKey, set(t, "tls_key"))
	}
	return values
}
