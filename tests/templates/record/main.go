// Command record renders every template of a folder with Go's own engine and writes what comes out beside it.
//
//	cd tests/templates/record && go run . ../good
//
// Or says how many times a second the engine renders some of them:
//
//	go run . -rate 500ms ../good/001-env-lines.tmpl ../good/011-connection-string.tmpl
//
// The functions have the names that the driver's templates know, and do as little as the corpus needs. Numbers in
// answers are kept as the server spells them, since the peers' clients do so.
package main

import (
	"bytes"
	"crypto/hmac"
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
	"sort"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/Masterminds/sprig/v3"
)

// setup is the JSON file beside a template.
type setup struct {
	Answers []answer          `json:"answers"`
	Vars    map[string]string `json:"vars"`
	Env     map[string]string `json:"env"`
	Left    string            `json:"left"`
	Right   string            `json:"right"`
}

type answer struct {
	Path   string            `json:"path"`
	List   bool              `json:"list"`
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
	if len(os.Args) > 3 && os.Args[1] == "-rate" {
		if err := rates(os.Args[2], os.Args[3:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	if len(os.Args) != 2 {
		log.Fatal("usage: record FOLDER | record -rate DURATION TEMPLATE...")
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
	text, given, err := load(source)
	if err != nil {
		return err
	}
	parsed, err := parse(source, text, given, functions(given))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, nil); err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(source, ".tmpl")+".out", out.Bytes(), 0o644)
}

// load reads a template and what stands beside it.
func load(source string) (text string, given setup, err error) {
	raw, err := os.ReadFile(source)
	if err != nil {
		return "", given, err
	}
	if raw, err := os.ReadFile(strings.TrimSuffix(source, ".tmpl") + ".json"); err == nil {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&given); err != nil {
			return "", given, err
		}
	}
	return string(raw), given, nil
}

func parse(source, text string, given setup, functions template.FuncMap) (*template.Template, error) {
	return template.New(strings.TrimSuffix(filepath.Base(source), ".tmpl")).
		Option("missingkey=error").
		Delims(given.Left, given.Right).
		Funcs(functions).
		Parse(text)
}

func functions(given setup) template.FuncMap {
	all := own(given)
	for name, function := range sprig.TxtFuncMap() {
		all["sprig_"+name] = function
	}
	return all
}

func own(given setup) template.FuncMap {
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
		"secrets":    func(path string) ([]string, error) { return list(given, path) },
		"pkiCert":    func(path string, pairs ...string) (*certificate, error) { return issued(given, path, pairs) },
		"env":        func(name string) (string, error) { return variable(given, name) },
		"mustEnv":    func(name string) (string, error) { return variable(given, name) },
		"envOrDefault": func(name, otherwise string) string {
			if value, err := variable(given, name); err == nil {
				return value
			}
			return otherwise
		},
		"loop": func(bounds ...int) []int {
			from, to := 0, bounds[0]
			if len(bounds) > 1 {
				from, to = bounds[0], bounds[1]
			}
			var all []int
			for ; from < to; from++ {
				all = append(all, from)
			}
			return all
		},
		"hmacSHA256Hex": func(message, key string) string {
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write([]byte(message))
			return hex.EncodeToString(mac.Sum(nil))
		},
		"splitToMap": func(between, within, s string) map[string]string {
			all := map[string]string{}
			for _, piece := range strings.Split(s, between) {
				name, value, _ := strings.Cut(piece, within)
				all[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
			return all
		},
		"containsAll":    func(parts []string, whole any) bool { return found(parts, whole) == len(parts) },
		"containsAny":    func(parts []string, whole any) bool { return found(parts, whole) > 0 },
		"containsNone":   func(parts []string, whole any) bool { return found(parts, whole) == 0 },
		"containsNotAll": func(parts []string, whole any) bool { return found(parts, whole) != len(parts) },
		"mergeMap":       func(other, first map[string]any) map[string]any { return merge(other, first) },
		"mergeMapWithOverride": func(first, other map[string]any) map[string]any {
			return merge(other, first)
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

// list answers what is below a path.
func list(given setup, path string) ([]string, error) {
	for _, known := range given.Answers {
		if known.List && known.Path == strings.Trim(path, "/") {
			var names []string
			for _, name := range known.Answer.Data.(map[string]any)["keys"].([]any) {
				names = append(names, name.(string))
			}
			sort.Strings(names)
			return names, nil
		}
	}
	return nil, fmt.Errorf("no list for %s", path)
}

// certificate has the names that the peers give to the parts of an issue.
type certificate struct {
	Cert, Key, CA string
	CAChain       []string
}

func (c *certificate) Data() *certificate { return c }

func issued(given setup, path string, pairs []string) (*certificate, error) {
	answer, err := find(given, path, pairs)
	if err != nil {
		return nil, err
	}
	data := answer.Data.(map[string]any)
	text := func(v any) string { return strings.TrimSpace(v.(string)) + "\n" }
	c := &certificate{Cert: text(data["certificate"]), Key: text(data["private_key"]), CA: text(data["issuing_ca"])}
	for _, above := range data["ca_chain"].([]any) {
		c.CAChain = append(c.CAChain, text(above))
	}
	return c, nil
}

func found(parts []string, whole any) (n int) {
	for _, part := range parts {
		if contained(whole, part) {
			n++
		}
	}
	return n
}

// merge returns first, with what only other has.
func merge(other, first map[string]any) map[string]any {
	all := map[string]any{}
	for name, value := range other {
		all[name] = value
	}
	for name, value := range first {
		inner, ok := value.(map[string]any)
		if below, both := all[name].(map[string]any); ok && both {
			all[name] = merge(below, inner)
			continue
		}
		all[name] = value
	}
	return all
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

// variable returns what the identity or the task's environment knows by a name.
func variable(given setup, name string) (string, error) {
	known := map[string]string{
		"NOMAD_ALLOC_ID": "alloc", "NOMAD_GROUP_NAME": "group", "NOMAD_JOB_ID": "job",
		"NOMAD_JOB_NAME": "job", "NOMAD_NAMESPACE": "namespace", "NOMAD_TASK_NAME": "task",
	}
	if value, ok := given.Vars[known[name]]; ok {
		return value, nil
	}
	if value, ok := given.Env[name]; ok {
		return value, nil
	}
	return "", errors.New("no such name")
}
