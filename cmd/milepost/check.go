package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// check verifies a file that a node gave, against the policy that this
// cluster was founded with: a member does not take its node's word either.
func (s *session) check(c *cli.Context, data []byte, subject string) (*verify.Report, error) {
	text, err := readCapped(s.cluster.PolicyPath(), verify.MaxPolicy)
	if err != nil {
		return nil, err
	}
	policy, err := verify.ParsePolicy(text)
	if err != nil {
		return nil, err
	}
	rep := verify.Verify(data, verify.Options{Policy: policy, Subject: subject, Now: clock(), AllowWithheld: true})
	if !rep.Verified {
		return nil, refusal{fault.New(fault.Code(rep.Failure), "", fmt.Sprintf("the node at %s sent a file that does not verify", s.client.Address)).Because(rep.Failure)}
	}
	return rep, nil
}
