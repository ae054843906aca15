package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node/bench"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "measure what this machine can carry",
		Description: "Three voting nodes run in this process over TLS, quorum three of three, everything synced and checked,\n" +
			"and take in signed records. Beside them stand this disk's syncs and this machine's signature checks a second.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "measure in this `DIR`ectory, on the disk that counts; it must be empty or absent, and the data stays; else a temporary one"},
			&cli.Float64Flag{Name: "seconds", Value: 5, Usage: "measure each phase for `SECONDS`"},
			&cli.BoolFlag{Name: "grow", Usage: "also measure a log of a million records: minutes, and 1 GB of disk"},
			jsonFlag,
		},
		Action: func(c *cli.Context) (err error) {
			if _, err := operands(c, 0, 0, "no arguments"); err != nil {
				return err
			}
			cfg := bench.Config{Dir: c.String("dir"), Seconds: c.Float64("seconds")}
			if cfg.Seconds < 0.1 || cfg.Seconds > 600 {
				return fault.New("usage", "--seconds", "0.1 to 600 are expected")
			}
			if cfg.Dir == "" {
				if cfg.Dir, err = os.MkdirTemp("", "milepost-bench-"); err != nil {
					return fmt.Errorf("make a temporary directory: %w", err)
				}
				defer func() { err = errors.Join(err, os.RemoveAll(cfg.Dir)) }()
			} else if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
				return err
			} else if have, err := os.ReadDir(cfg.Dir); err == nil && len(have) > 0 {
				return fault.New("data_dir", cfg.Dir, "the directory is not empty")
			}
			if c.Bool("grow") {
				cfg.Grow = bench.GrowSizes
			}
			if isTerminal(c.App.ErrWriter) {
				cfg.Progress = func(format string, args ...any) { fmt.Fprintf(c.App.ErrWriter, format+" ...\n", args...) }
			}
			tuneRuntime() // as node run does
			figures, err := bench.Run(c.Context, cfg)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return json.NewEncoder(c.App.Writer).Encode(figures)
			}
			return figures.Print(c.App.Writer)
		},
	}
}
