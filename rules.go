package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"usher/auth"
	"usher/policy"
)

// maxRulesFile bounds the rules file, in bytes.
const maxRulesFile = 1 << 20

// readRules reads the rules file, if there is one. Each line of its error
// names the file and the line in it; warnings do so too.
func (s *settings) readRules() (rules policy.Rules, warnings []string, err error) {
	if s.rulesFile == "" {
		return policy.Rules{}, nil, nil
	}
	// To open a pipe is to wait for whoever writes into it, and a signal to stop would not end that.
	if info, err := os.Stat(s.rulesFile); err == nil && !info.Mode().IsRegular() {
		return policy.Rules{}, nil, fmt.Errorf("%s is no regular file", s.rulesFile)
	}
	text, err := readSmall(s.rulesFile, maxRulesFile)
	if err != nil {
		return policy.Rules{}, nil, fmt.Errorf("%w; name a file that Usher's user can read", err)
	}
	rules, warnings, err = policy.ParseRules([]byte(text), s.known, auth.HostName)
	for i := range warnings {
		warnings[i] = s.rulesFile + ", " + warnings[i]
	}
	if err != nil {
		return policy.Rules{}, nil, fmt.Errorf("%s, %s", s.rulesFile, strings.ReplaceAll(err.Error(), "\n", "\n"+s.rulesFile+", "))
	}
	return rules, warnings, nil
}

// reloadRules takes over what the rules file says now. A bad file changes
// nothing: the rules in force stay.
func (a *app) reloadRules(log *slog.Logger) {
	a.applying.Lock()
	defer a.applying.Unlock()
	now := a.current()
	set := now.set
	if set.rulesFile == "" {
		log.Info("there is no rules file to read again (USHER_RULES_FILE)")
		return
	}
	rules, warnings, err := set.readRules()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			log.Error("the rules file is not taken, the rules before stay in force", "problem", strings.TrimSuffix(line, "\n"))
		}
		now.server.AuditRules(false)
		return
	}
	now.server.SetRules(rules)
	now.server.AuditRules(true)
	warnOfRules(warnings, log)
}

func warnOfRules(warnings []string, log *slog.Logger) {
	for _, w := range warnings {
		log.Warn("a rule is of no use", "problem", w)
	}
}
