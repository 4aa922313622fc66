// Command record renders every template of a folder with Go's own engine and writes what comes out beside it.
//
//	cd tests/templates/record && go run . ../good
//
// The functions have the names that the driver's templates know, and do as little as the corpus needs. Numbers in
// answers are kept as the server spells them, since the peers' clients do so.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"unicode"
)

// setup is the JSON file beside a template.
type setup struct {
	Answers []answer          `json:"answers"`
	Vars    map[string]string `json:"vars"`
	Left    string            `json:"left"`
	Right   string            `json:"right"`
}

type answer struct {
	Path   string            `json:"path"`
	Params map[string]string `json:"params"`
	Answer struct {
		Data          any    `json:"data"`
		LeaseID       string `json:"lease_id"`
		LeaseDuration int    `json:"lease_duration"`
		Renewable     bool   `json:"renewable"`
	} `json:"answer"`
}

// secret is what a template gets; the fields are named as the peers name them.
type secret struct {
	Data          any
	LeaseID       string
	LeaseDuration int
	Renewable     bool
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: record FOLDER")
	}
	sources, err := filepath.Glob(filepath.Join(os.Args[1], "*.tmpl"))
	if err != nil || len(sources) == 0 {
		log.Fatalf("no templates in %s", os.Args[1])
	}
	failed := 0
	for _, source := range sources {
		if err := record(source); err != nil {
			log.Printf("%s: %v", source, err)
			failed++
		}
	}
	log.Printf("%d templates, %d failed", len(sources), failed)
	if failed > 0 {
		os.Exit(1)
	}
}

func record(source string) error {
	base := strings.TrimSuffix(source, ".tmpl")
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	var given setup
	if raw, err := os.ReadFile(base + ".json"); err == nil {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&given); err != nil {
			return err
		}
	}
	parsed, err := template.New(filepath.Base(base)).
		Option("missingkey=error").
		Delims(given.Left, given.Right).
		Funcs(functions(given)).
		Parse(string(text))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, nil); err != nil {
		return err
	}
	return os.WriteFile(base+".out", out.Bytes(), 0o644)
}

func functions(given setup) template.FuncMap {
	return template.FuncMap{
		"secret": func(path string, pairs ...string) (*secret, error) { return find(given, path, pairs) },
		"meta": func(name string) (string, error) {
			value, ok := given.Vars[name]
			if !ok {
				return "", errors.New("no such name")
			}
			return value, nil
		},
		"toJSON":          func(v any) (string, error) { return encode(v, true, "") },
		"toJSONPretty":    func(v any) (string, error) { return encode(v, true, "  ") },
		"toUnescapedJSON": func(v any) (string, error) { return encode(v, false, "") },
		"toUnescapedJSONPretty": func(v any) (string, error) {
			return encode(v, false, "  ")
		},
		"parseJSON": func(s string) (v any, err error) {
			decoder := json.NewDecoder(strings.NewReader(s))
			decoder.UseNumber()
			err = decoder.Decode(&v)
			return v, err
		},
		"base64Encode":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64Decode":    func(s string) (string, error) { return decode(base64.StdEncoding, s) },
		"base64URLEncode": func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
		"base64URLDecode": func(s string) (string, error) { return decode(base64.URLEncoding, s) },
		"sha256Hex": func(s string) string {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:])
		},
		"toUpper":    strings.ToUpper,
		"toLower":    strings.ToLower,
		"toTitle":    title,
		"trimSpace":  strings.TrimSpace,
		"trim":       func(set, s string) string { return strings.Trim(s, set) },
		"trimPrefix": func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
		"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
		"replaceAll": func(from, to, s string) string { return strings.ReplaceAll(s, from, to) },
		"split": func(separator, s string) []string {
			if s = strings.TrimSpace(s); s == "" {
				return []string{}
			}
			return strings.Split(s, separator)
		},
		"join":     join,
		"contains": func(part, whole any) bool { return contained(whole, part) },
		"in":       contained,
		"indent":   indent,
		"parseBool": func(s string) (bool, error) {
			if s == "" {
				return false, nil
			}
			return strconv.ParseBool(s)
		},
		"parseInt": func(s string) (int64, error) {
			if s == "" {
				return 0, nil
			}
			return strconv.ParseInt(s, 10, 64)
		},
		"parseFloat": func(s string) (float64, error) { return strconv.ParseFloat(s, 64) },
		"add":        arithmetic(func(a, b int64) int64 { return a + b }, func(a, b float64) float64 { return a + b }),
		"subtract":   arithmetic(func(a, b int64) int64 { return a - b }, func(a, b float64) float64 { return a - b }),
		"multiply":   arithmetic(func(a, b int64) int64 { return a * b }, func(a, b float64) float64 { return a * b }),
		"divide":     arithmetic(func(a, b int64) int64 { return a / b }, func(a, b float64) float64 { return a / b }),
		"modulo":     arithmetic(func(a, b int64) int64 { return a % b }, nil),
		"sprig_default": func(fallback any, given ...any) any {
			if len(given) == 0 || given[0] == nil || reflect.ValueOf(given[0]).IsZero() {
				return fallback
			}
			return given[0]
		},
	}
}

func find(given setup, path string, pairs []string) (*secret, error) {
	params := map[string]string{}
	for _, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, errors.New("no name=value")
		}
		params[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	for _, known := range given.Answers {
		if known.Path == strings.Trim(path, "/") && (len(known.Params) == 0 && len(params) == 0 || reflect.DeepEqual(known.Params, params)) {
			return &secret{known.Answer.Data, known.Answer.LeaseID, known.Answer.LeaseDuration, known.Answer.Renewable}, nil
		}
	}
	return nil, fmt.Errorf("no answer for %s %v", path, params)
}

func encode(v any, safe bool, indent string) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(safe)
	encoder.SetIndent("", indent)
	err := encoder.Encode(v)
	return strings.TrimRight(out.String(), "\n"), err
}

func decode(encoding *base64.Encoding, s string) (string, error) {
	raw, err := encoding.DecodeString(s)
	return string(raw), err
}

func title(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		first := !unicode.IsLetter(before) && !unicode.IsDigit(before) && before != '_' && before != '\''
		before = r
		if first {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

// join takes what JSON gives as a list, too.
func join(separator string, list any) (string, error) {
	switch items := list.(type) {
	case []string:
		return strings.Join(items, separator), nil
	case []any:
		var texts []string
		for _, item := range items {
			texts = append(texts, item.(string))
		}
		return strings.Join(texts, separator), nil
	}
	return "", fmt.Errorf("no list: %T", list)
}

func contained(whole, part any) bool {
	switch w := whole.(type) {
	case string:
		p, ok := part.(string)
		return ok && strings.Contains(w, p)
	case []string:
		for _, item := range w {
			if item == part {
				return true
			}
		}
	case []any:
		for _, item := range w {
			if item == part {
				return true
			}
		}
	}
	return false
}

func indent(width int, s string) string {
	lines := strings.SplitAfter(s, "\n")
	for i, line := range lines {
		if line != "" && line != "\n" {
			lines[i] = strings.Repeat(" ", width) + line
		}
	}
	return strings.Join(lines, "")
}

// arithmetic takes the last operand first, so that it can be piped.
func arithmetic(ints func(a, b int64) int64, floats func(a, b float64) float64) func(b, a any) (any, error) {
	return func(b, a any) (any, error) {
		av, bv := reflect.ValueOf(a), reflect.ValueOf(b)
		switch {
		case av.CanInt() && bv.CanInt():
			return ints(av.Int(), bv.Int()), nil
		case floats == nil:
			return nil, errors.New("whole numbers only")
		}
		return floats(float(av), float(bv)), nil
	}
}

func float(v reflect.Value) float64 {
	if v.CanInt() {
		return float64(v.Int())
	}
	return v.Float()
}
