package main

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/node"
)

// A node that can't say what to look at keeps nothing from going in: the
// submission goes on without a word.
func TestWarningsNeverBlock(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	c := cli.NewContext(newApp(nil, &out, &errs), flag.NewFlagSet("submit", flag.ContinueOnError), nil)
	c.Context = t.Context()
	nobody := node.NewClient("127.0.0.1:1", strings.Repeat("0", 64), nil, nil)
	defer nobody.Close()
	warn(c, nobody, [][]byte{[]byte("a record")}, []string{"a.record"})
	if out.Len()+errs.Len() != 0 {
		t.Errorf("it says %q %q", out.String(), errs.String())
	}
}
