package audit

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// Report is what a bundle holds and what was found to be right. Text and HTML are made from it alone.
type Report struct {
	Format      int              `json:"format,omitempty"` // version of the format
	Run         string           `json:"run,omitempty"`
	App         string           `json:"app,omitempty"`
	Environment string           `json:"environment,omitempty"`
	Operation   string           `json:"operation,omitempty"`
	Status      string           `json:"status,omitempty"`
	Complete    bool             `json:"complete"`
	Requester   string           `json:"requester,omitempty"`
	Created     time.Time        `json:"created_at,omitzero"`
	URL         string           `json:"url,omitempty"`
	Error       string           `json:"error,omitempty"`
	Source      string           `json:"source,omitempty"`
	Commit      string           `json:"commit,omitempty"` // that the deployment was built from, with its repository; of a folder, how that stands to it
	Files       int              `json:"files,omitempty"`  // of the source that are listed
	Core        string           `json:"core,omitempty"`
	SignedBy    string           `json:"signed_by,omitempty"` // the key's id
	Key         string           `json:"key,omitempty"`
	Tool        Tool             `json:"tool,omitzero"`
	RunTool     string           `json:"run_tool,omitempty"` // what worked on the run
	Entries     int              `json:"entries"`
	Bytes       int64            `json:"bytes"`
	Events      int64            `json:"events"`
	Lines       int64            `json:"lines"` // of output, among the events
	Statements  int              `json:"statements"`
	Checked     []string         `json:"checked"`
	Witnessed   []string         `json:"witnessed,omitempty"` // what Slipway has seen for itself
	Asserted    []string         `json:"asserted,omitempty"`  // what stands on somebody's word alone
	Left        []Remark         `json:"left_out,omitempty"`
	Plans       []ReportPlan     `json:"plans,omitempty"`
	Approvals   []ReportApproval `json:"approvals,omitempty"`
}

// ReportPlan is one revision.
type ReportPlan struct {
	Revision int          `json:"revision"`
	Digest   string       `json:"digest"`
	Steps    []ReportStep `json:"steps"`
}

// ReportStep is an effect or a check, and where it stands.
type ReportStep struct {
	Key      string        `json:"key"`
	State    string        `json:"state"`
	Mode     string        `json:"mode,omitempty"`
	ID       string        `json:"id,omitempty"`
	URLs     []string      `json:"urls,omitempty"`
	Why      string        `json:"why,omitempty"` // reason of the effect, finding of a manual step, or error
	At       time.Time     `json:"at,omitzero"`
	Check    bool          `json:"check,omitempty"`    // it changes nothing: it verifies
	Gate     string        `json:"gate,omitempty"`     // whose approval it takes
	Does     string        `json:"does,omitempty"`     // its consequence
	Began    time.Time     `json:"began_at,omitzero"`  // its intent
	By       string        `json:"by,omitempty"`       // of a manual step: who looked, or whose word it is
	Note     string        `json:"note,omitempty"`     // what they say
	Asserted bool          `json:"asserted,omitempty"` // it stands on that word alone
	Results  []string      `json:"results,omitempty"`  // of a check
	Output   *ReportOutput `json:"output,omitempty"`
}

// ReportApproval is a request for an approval, and the decision.
type ReportApproval struct {
	Gate    string    `json:"gate"`
	State   string    `json:"state"`
	By      string    `json:"by,omitempty"`
	How     string    `json:"how,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Subject string    `json:"subject"`
	At      time.Time `json:"at,omitzero"`
	Policy  string    `json:"policy,omitempty"`  // digest of the one that it was asked under
	Votes   []string  `json:"votes,omitempty"`   // who approved, how, let by which rules
	Differs []string  `json:"differs,omitempty"` // how it differs from what was asked or approved before
	// Revision is that of the plan that it is for; Means what each effect behind the gate does, and Shown what else the approver was shown.
	Revision int          `json:"revision,omitempty"`
	Means    []string     `json:"means,omitempty"`
	Shown    []string     `json:"shown,omitempty"`
	Given    []ReportVote `json:"given,omitempty"` // each yes, or the no
	Need     int          `json:"need,omitempty"`
	Asked    time.Time    `json:"asked_at,omitzero"`
	Expires  time.Time    `json:"expires_at,omitzero"`
}

// summarize fills the report from what was verified.
func (b *reading) summarize() {
	r, run := b.report, b.run
	r.Format = b.version
	r.Run, r.App, r.Environment, r.Operation, r.Status, r.Complete = run.ID, run.App, run.Environment, string(run.Operation), string(run.Status), b.index.Complete
	r.Requester, r.Created, r.URL, r.Source = run.Requester.Name, run.CreatedAt, run.URL, run.Source
	if run.Error != nil {
		r.Error = run.Error.Message
	}
	r.Core, r.SignedBy, r.Key, r.Tool = b.envelope.Core, b.signer, b.envelope.Key, b.envelope.Tool
	r.RunTool = run.Tool
	last := b.entries[len(b.entries)-1].end()
	r.Entries, r.Bytes, r.Events, r.Lines = len(b.entries), last+int64(len(directory(b.entries, last))), b.index.Events.Seq, b.log.lines
	r.Statements, r.Left = len(b.statements)+1, b.index.Left
	for i, p := range b.plans {
		r.Plans = append(r.Plans, b.reportPlan(i+1, p))
	}
	for _, a := range b.approvals {
		r.Approvals = append(r.Approvals, b.reportApproval(a))
	}
	for _, p := range b.plans {
		if p.Shipped != nil && p.Shipped.Git != nil {
			r.Commit = p.Shipped.Git.String()
		}
	}
	for _, s := range b.steps {
		if s.Receipt != nil && s.Receipt.Details[slipway.DetailCommit] != "" {
			r.Commit = strings.TrimSpace(s.Receipt.Details[slipway.DetailRepository] + " " + s.Receipt.Details[slipway.DetailCommit])
		}
	}
	b.weigh()
	show(reflect.ValueOf(r).Elem())
}

func (b *reading) reportPlan(revision int, p *slipway.Plan) ReportPlan {
	out := ReportPlan{Revision: revision, Digest: b.digests[revision-1], Steps: []ReportStep{}}
	steps := map[string]slipway.Step{}
	for _, s := range b.steps {
		if s.Revision == revision {
			steps[s.Key] = s
		}
	}
	line := func(x ReportStep) {
		s := steps[x.Key]
		x.State, x.At, x.Began = string(s.State), s.EndedAt, s.IntentAt
		if s.State == "" {
			x.State = string(slipway.StepPending)
		}
		if s.Receipt != nil {
			x.ID, x.URLs = s.Receipt.ID, s.Receipt.URLs
		}
		if s.Evidence != nil {
			x.Why = strings.TrimSuffix(string(s.Evidence.Finding)+": "+s.Evidence.How, ": ")
			x.Note, x.Asserted = s.Evidence.Note, s.Evidence.Finding == slipway.FindingAsserted
			if s.Evidence.By != nil {
				x.By = s.Evidence.By.Name
			}
		}
		if s.Error != nil {
			x.Why = s.Error.Message
		}
		if x.Check {
			x.Results = resultLines(s)
			x.Output = b.output(s)
		}
		out.Steps = append(out.Steps, x)
	}
	for _, e := range p.Effects {
		line(ReportStep{Key: e.Key, Mode: string(e.Mode), Why: e.Reason, Gate: string(e.Gate), Does: e.Consequence})
	}
	for _, c := range p.Checks {
		line(ReportStep{Key: c.Key, Check: true, Gate: string(c.Gate)})
	}
	return out
}

// weigh says what Slipway has seen for itself, and what stands on somebody's word.
func (b *reading) weigh() {
	made, checks := 0, 0
	var seen []string
	for _, s := range b.steps {
		e := b.plans[s.Revision-1].Effect(s.Key)
		switch {
		case s.State != slipway.StepDone || slices.ContainsFunc(b.late, func(l slipway.Step) bool { return l.Key == s.Key && l.Revision == s.Revision }):
		case e == nil:
			checks++
		case e.Mode != slipway.ModeManual:
			made++
		case s.Evidence.Finding == slipway.FindingDone:
			seen = append(seen, fmt.Sprintf("manual step %s: %s", s.Key, s.Evidence.How))
		}
	}
	r := b.report
	add := func(n int, what string) {
		if n > 0 {
			r.Witnessed = append(r.Witnessed, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(made, "changes that Slipway made, with their intents, and looked at afterwards at the provider")
	add(checks, "checks that passed before production was moved")
	r.Witnessed = append(r.Witnessed, seen...)
	r.Asserted = append(r.Asserted, b.words...)
	r.Witnessed = append(r.Witnessed, b.proved...)
	r.Asserted = append(append(r.Asserted, b.unproved...), b.untold...)
	for _, p := range b.plans {
		if p.Shipped != nil && p.Shipped.Git != nil {
			r.Asserted = append(r.Asserted, fmt.Sprintf("commit %s: the folder of the source said that it stood there", p.Shipped.Git.Commit))
			break
		}
	}
	for _, a := range b.approvals {
		switch {
		case a.By != nil && (len(a.Votes) == 0 || a.State == slipway.ApprovalRejected):
			r.Asserted = append(r.Asserted, fmt.Sprintf("gate %s: %s decided it (%s: whoever ran as that user)", a.Gate, a.By.Name, a.How))
		case byPolicy(a):
			r.Witnessed = append(r.Witnessed, fmt.Sprintf("gate %s: it opened by the policy %s (%s)", a.Gate, a.Policy, strings.Join(a.Votes[0].Rules, ", ")))
			continue
		}
		for _, v := range a.Votes {
			if v.Key == "" {
				r.Asserted = append(r.Asserted, fmt.Sprintf("gate %s: %s decided it (%s: whoever ran as that user)", a.Gate, v.By.Name, v.How))
			}
		}
	}
	for _, s := range b.late {
		r.Asserted = append(r.Asserted, fmt.Sprintf("step %s: its outcome was found after this run had ended, by another run", s.Key))
	}
	r.Asserted = append(r.Asserted,
		"all times: by the clock of the machine that worked",
		"what happened before the export: the key "+b.signer+" vouches that the records are those of its database")
}

// Text is the report for a terminal.
func (r Report) Text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("run", "%s", r.Run)
	row("app", "%s (%s), %s", r.App, r.Environment, r.Operation)
	row("status", "%s%s", r.Status, map[bool]string{false: ", not ended when this was exported"}[r.Complete])
	row("since", "%s, by %s", r.Created.UTC().Format(time.RFC3339), r.Requester)
	if r.URL != "" {
		row("url", "%s", r.URL)
	}
	if r.Error != "" {
		row("error", "%s", r.Error)
	}
	if r.Source != "" {
		row("source", "%s, %d files listed", r.Source, r.Files)
	}
	if r.Commit != "" {
		row("commit", "%s", r.Commit)
	}
	for _, p := range r.Plans {
		row("plan", "%s (revision %d)", p.Digest, p.Revision)
		for _, s := range p.Steps {
			fmt.Fprintf(&b, "  %-9s %s%s%s\n", s.State, s.Key, joined(" = ", s.ID), joined(", ", s.Why))
			for _, line := range s.Results {
				fmt.Fprintf(&b, "            %s\n", line)
			}
		}
	}
	for _, a := range r.Approvals {
		row("gate", "%s: %s%s%s %s", a.Gate, a.State, joined(" by ", a.By), joined(", ", a.Reason), a.Subject)
		for _, v := range a.Votes {
			row("", "approved by %s", v)
		}
		for _, d := range a.Differs {
			row("", "differs: %s", d)
		}
	}
	for _, policy := range r.policies() {
		row("policy", "%s", policy)
	}
	if r.RunTool != "" {
		row("run by", "%s", r.RunTool)
	}
	row("signed", "by %s (key %s), %s %s", r.SignedBy, r.Key, r.Tool.Name, r.Tool.Version)
	b.WriteString(r.Findings())
	return b.String()
}

// policies are the digests of those that approvals were asked under.
func (r Report) policies() (all []string) {
	for _, a := range r.Approvals {
		if a.Policy != "" && !slices.Contains(all, a.Policy) {
			all = append(all, a.Policy)
		}
	}
	return all
}

func joined(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// Findings are what was checked, what is witnessed, what only asserted, and what is not there.
func (r Report) Findings() string {
	var b strings.Builder
	list := func(name string, items []string) {
		for _, item := range items {
			fmt.Fprintf(&b, "%-10s %s\n", name, item)
		}
	}
	list("checked", r.Checked)
	list("witnessed", r.Witnessed)
	list("asserted", r.Asserted)
	for _, l := range r.Left {
		fmt.Fprintf(&b, "%-10s %s: %s\n", "left out", l.What, l.Why)
	}
	fmt.Fprintf(&b, "%-10s %d entries, %d events, %d statements, %d bytes, version %d of the format; core %s\n", "in all", r.Entries, r.Events, r.Statements, r.Bytes, r.Format, r.Core)
	return b.String()
}

//go:embed report.html
var reportPage string

// HTML writes the report as one page without scripts, which loads nothing.
func (r Report) HTML(w io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"time": timeText,
		"more": func(o *ReportOutput) bool { return int64(len(o.End)) < o.Lines },
		"inc":  func(n int) int { return n + 1 },
		"web": func(text string) bool {
			return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
		},
	}).Parse(reportPage)
	if err != nil {
		return err
	}
	return page.Execute(w, r)
}
