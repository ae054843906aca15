package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/record"
)

func recordTypesCommand() *cli.Command {
	return &cli.Command{
		Name: "types", Usage: "list the types of record, or the fields of one", ArgsUsage: "[TYPE]",
		Action: showTypes,
	}
}

func recordExampleCommand() *cli.Command {
	return &cli.Command{
		Name: "example", Usage: "print a body of a type, as JSON for --body of `milepost record new`", ArgsUsage: "TYPE",
		Action: func(c *cli.Context) error {
			return printType(c, func(t *record.Type) ([]byte, error) { return indented([]byte(t.Example)) })
		},
	}
}

func recordSchemaCommand() *cli.Command {
	return &cli.Command{
		Name: "schema", Usage: "print the JSON Schema of a type", ArgsUsage: "TYPE",
		Action: func(c *cli.Context) error {
			return printType(c, func(t *record.Type) ([]byte, error) { return indented(t.Schema().Bytes()) })
		},
	}
}

func recordDocsCommand() *cli.Command {
	return &cli.Command{
		Name: "docs", Usage: "print the page about all types, docs/records.md", Hidden: true,
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, 0, "no argument"); err != nil {
				return err
			}
			_, err := c.App.Writer.Write(record.Docs())
			return err
		},
	}
}

func printType(c *cli.Context, print func(*record.Type) ([]byte, error)) error {
	args, err := operands(c, 1, 1, "one type")
	if err != nil {
		return err
	}
	t, err := record.NamedType(args[0])
	if err != nil {
		return err
	}
	out, err := print(t)
	if err == nil {
		_, err = c.App.Writer.Write(out)
	}
	return err
}

func indented(data []byte) ([]byte, error) {
	var b bytes.Buffer
	err := json.Indent(&b, data, "", "  ")
	b.WriteByte('\n')
	return b.Bytes(), err
}

func showTypes(c *cli.Context) error {
	args, err := operands(c, 0, 1, "at most one type")
	if err != nil {
		return err
	}
	if len(args) == 1 {
		return printType(c, func(t *record.Type) ([]byte, error) { return describeType(t), nil })
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tWHAT IT RECORDS\tHISTORY\tWRITTEN BY\tREAD\tHOW SOON")
	for _, t := range record.Types() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, t.Sentence, t.SubjectWords(), strings.Join(t.Writers, " "), strings.Join(t.ReadClasses(), " "), t.Fresh)
	}
	fmt.Fprintln(w, "\nREAD is the class of who may read: "+record.ReadClassWords())
	return w.Flush()
}

// describeType tells the fields of a type to whoever is to fill them in.
func describeType(t *record.Type) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n\n", t.Name, t.Sentence)
	fmt.Fprintf(&b, "history     %s\nwritten by  %s\nread by     %s\nhow soon    %s\n\n",
		t.SubjectWords(), strings.Join(t.Writers, " "), t.Readers(), t.Fresh)
	for _, f := range t.Fields() {
		optional := ""
		if f.Optional {
			optional = " (may be absent)"
		}
		fmt.Fprintf(&b, "%s%s: %s\n    %s\n", f.At, optional, f.Means, f.Words)
	}
	if t.Demands != "" {
		fmt.Fprintf(&b, "\n%s\n", t.Demands)
	}
	return b.Bytes()
}
