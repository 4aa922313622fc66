package main

import (
	"bytes"
	"fmt"
	"time"
)

// batch is how many renderings go between two looks at the clock.
const batch = 64

// rates prints a line a template: how many times a second it is rendered, and how many times it is parsed and rendered.
func rates(duration string, sources []string) error {
	limit, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	for _, source := range sources {
		text, given, err := load(source)
		if err != nil {
			return err
		}
		known := own(given)
		parsed, err := parse(source, text, given, known)
		if err != nil {
			return err
		}
		rendered, err := rate(limit, func() error {
			var out bytes.Buffer
			return parsed.Execute(&out, nil)
		})
		if err != nil {
			return err
		}
		both, err := rate(limit, func() error {
			parsed, err := parse(source, text, given, known)
			if err != nil {
				return err
			}
			var out bytes.Buffer
			return parsed.Execute(&out, nil)
		})
		if err != nil {
			return err
		}
		fmt.Printf("%.0f %.0f\n", rendered, both)
	}
	return nil
}

func rate(limit time.Duration, work func() error) (float64, error) {
	done := 0
	begin := time.Now()
	for time.Since(begin) < limit {
		for i := 0; i < batch; i++ {
			if err := work(); err != nil {
				return 0, err
			}
		}
		done += batch
	}
	return float64(done) / time.Since(begin).Seconds(), nil
}
