package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
)

func keyCommand() *cli.Command {
	return &cli.Command{
		Name: "key", Usage: "make and show keys, and change which keys of a member count",
		Subcommands: append([]*cli.Command{
			{
				Name: "new", Usage: "make a key file (mode 0600; never overwrites one)", ArgsUsage: "FILE",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "use", Required: true, Usage: "what it is for: " + strings.Join(keyfile.Uses(), ", ")},
					&cli.StringFlag{Name: "name", Required: true, Usage: "whose it is: the member's `NAME`; the origin for log; <origin>/node/<id> for cosigner and a node's tls"},
					&cli.BoolFlag{Name: "passphrase", Usage: "encrypt the file with a passphrase (asked, or from MILEPOST_PASSPHRASE_FILE)"},
				},
				Action: newKey,
			},
			{
				Name: "show", Usage: "show the public half of a key file", ArgsUsage: "FILE", Flags: []cli.Flag{jsonFlag},
				Action: func(c *cli.Context) error {
					args, err := operands(c, 1, 1, "one key file")
					if err != nil {
						return err
					}
					k, err := keyfile.ReadKeyFile(args[0], passphrase(c))
					if err != nil {
						return err
					}
					return showKey(c, k)
				},
			},
		}, keyChangeCommands()...),
	}
}

func newKey(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one file to write")
	if err != nil {
		return err
	}
	k, err := keyfile.NewKey(c.String("use"), c.String("name"), rand.Reader)
	if err != nil {
		return err
	}
	var phrase []byte
	if c.Bool("passphrase") {
		if phrase, err = passphrase(c)(); err != nil {
			return err
		}
		if len(phrase) == 0 {
			return fault.New("key_passphrase", "", "the passphrase is empty")
		}
	}
	if err := k.WriteFile(args[0], phrase); err != nil {
		return err
	}
	return showKey(c, k)
}

func showKey(c *cli.Context, k *keyfile.Key) error {
	public, err := k.Public()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(map[string]string{"use": k.Use, "name": k.Name, "public": public})
	}
	_, err = fmt.Fprintf(c.App.Writer, "use     %s\nname    %s\npublic  %s\n", k.Use, k.Name, public)
	return err
}
