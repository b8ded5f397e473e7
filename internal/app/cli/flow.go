package cli

import (
	"slices"

	"parley/internal/assistant/flow"
	"parley/internal/fault"
)

type flowCmd struct {
	Check  flowCheckCmd  `cmd:"" help:"Say what is wrong with flow files, and what is odd."`
	Test   flowTestCmd   `cmd:"" help:"Have the conversations of test files with the flows beside them."`
	Schema flowSchemaCmd `cmd:"" help:"Print the JSON Schema of a flow file, for editors."`
}

type flowCheckCmd struct {
	Files []string `arg:"" name:"file" help:"Flow files."`
}

// Run checks every file; one that cannot be used makes the command fail.
func (c *flowCheckCmd) Run(r *run) error {
	reports := make([]flow.Report, 0, len(c.Files))
	for _, file := range c.Files {
		text, err := r.Host.ReadFile(file)
		if err != nil {
			return unreadable(file, err)
		}
		reports = append(reports, flow.Check(file, text))
	}
	err := r.answer(reports, func() {
		for _, one := range reports {
			// Standard output may be closed; there is nobody left to tell.
			_, _ = one.WriteTo(r.Stdout)
		}
	})
	if err == nil && slices.ContainsFunc(reports, func(one flow.Report) bool { return !one.OK() }) {
		return errQuiet(ExitInvalid)
	}
	return err
}

type flowTestCmd struct {
	Files []string `arg:"" name:"file" help:"Test files (NAME.test.yaml), or the flows beside them (NAME.flow.yaml)."`
}

// Run runs every file; a test that does not pass makes the command fail.
func (c *flowTestCmd) Run(r *run) error {
	all := make([]flow.Results, 0, len(c.Files))
	for _, file := range c.Files {
		results, err := r.flowTest(file)
		if err != nil {
			return err
		}
		all = append(all, results)
	}
	err := r.answer(all, func() {
		for _, one := range all {
			// Standard output may be closed; there is nobody left to tell.
			_, _ = one.WriteTo(r.Stdout)
		}
	})
	if err == nil && slices.ContainsFunc(all, func(one flow.Results) bool { return !one.OK() }) {
		return errQuiet(ExitFailed)
	}
	return err
}

func (r *run) flowTest(file string) (flow.Results, error) {
	definition, tests, ok := flow.Pair(file)
	if !ok {
		return flow.Results{}, fault.New(fault.Invalid, "%s: name the tests NAME.test.yaml, beside the flow NAME.flow.yaml", file)
	}
	text, err := r.Host.ReadFile(definition)
	if err != nil {
		return flow.Results{}, unreadable(definition, err)
	}
	assistant, err := flow.Compile(definition, text)
	if err != nil {
		return flow.Results{}, err
	}
	script, err := r.Host.ReadFile(tests)
	if err != nil {
		return flow.Results{}, unreadable(tests, err)
	}
	return flow.RunTests(assistant, tests, script)
}

type flowSchemaCmd struct{}

// Run prints the schema.
func (*flowSchemaCmd) Run(r *run) error {
	_, err := r.Stdout.Write(flow.Schema())
	return err
}

func unreadable(file string, err error) error {
	return fault.New(fault.Invalid, "%s %v", file, err)
}
