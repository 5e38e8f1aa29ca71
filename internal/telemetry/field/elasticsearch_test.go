package field_test

// These tests compare the configuration for Elasticsearch, Filebeat and Kibana with the fields of log lines. It is in
// another module, whose tests cannot import this one.

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/internal/telemetry/field/fieldtest"
)

var (
	root   = filepath.Join("..", "..", "..")
	folder = filepath.Join(root, "deploy", "observability", "elasticsearch")
)

// others are the mapped fields that no app writes: those of Dapr's sidecars, and those of Filebeat by which a line is
// found where it was written.
var others = []string{"dapr.scope", "dapr.version", "kubernetes.pod.name", "log.file.path"}

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(content))
	require.NoError(t, d.Decode(v), name)
	require.False(t, d.More(), name)
}

type mapping struct {
	Type       string
	Dynamic    *bool
	Properties map[string]mapping
}

// leaves adds the fields of a mapping and their types by their names with dots.
func (m mapping) leaves(prefix string, to map[string]string) {
	for name, p := range m.Properties {
		if len(p.Properties) > 0 {
			p.leaves(prefix+name+".", to)
		} else {
			to[prefix+name] = p.Type
		}
	}
}

// mapped returns the types of the fields that the template maps.
func mapped(t *testing.T) map[string]string {
	t.Helper()
	var component struct{ Template struct{ Mappings mapping } }
	readJSON(t, "mappings.json", &component)
	require.NotNil(t, component.Template.Mappings.Dynamic)
	require.False(t, *component.Template.Mappings.Dynamic, "strangers could otherwise add fields")
	fields := map[string]string{}
	component.Template.Mappings.leaves("", fields)
	return fields
}

func TestTheTemplateMapsTheFieldsOfLogLines(t *testing.T) {
	t.Parallel()
	fields, written := mapped(t), slices.Clone(others)
	for _, name := range fieldtest.Names(t, root) {
		written = append(written, name)
	}
	names := []string{}
	for name, kind := range fields {
		require.NotEmpty(t, kind, name)
		names = append(names, name)
	}
	require.ElementsMatch(t, written, names)
	for name, kind := range map[string]string{
		"@timestamp": "date", "event.duration": "long", "http.response.status_code": "short", "trace.id": "keyword",
	} {
		require.Equal(t, kind, fields[name], name)
	}
}

// The template, its parts, the policy and the pipeline refer to each other by the names under which load.sh loads them.
func TestTheTemplateRefersToWhatIsLoaded(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join(folder, "load.sh"))
	require.NoError(t, err)
	loaded := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^put (\S+) (\S+)$`).FindAllStringSubmatch(string(script), -1) {
		loaded[m[1]] = m[2]
		var any map[string]any
		readJSON(t, m[2], &any)
	}
	var template struct {
		IndexPatterns []string  `json:"index_patterns"`
		DataStream    *struct{} `json:"data_stream"`
		ComposedOf    []string  `json:"composed_of"`
	}
	readJSON(t, loaded["_index_template/haberdash-logs"], &template)
	require.NotNil(t, template.DataStream)
	require.Equal(t, []string{"logs-haberdash-*"}, template.IndexPatterns)
	require.Len(t, template.ComposedOf, 2)
	for _, part := range template.ComposedOf {
		require.Contains(t, loaded, "_component_template/"+part)
	}
	var settings struct {
		Template struct {
			Settings struct {
				Index struct {
					Lifecycle       struct{ Name string }
					DefaultPipeline string `json:"default_pipeline"`
				}
			}
		}
	}
	readJSON(t, "settings.json", &settings)
	require.Contains(t, loaded, "_ilm/policy/"+settings.Template.Settings.Index.Lifecycle.Name)
	require.Contains(t, loaded, "_ingest/pipeline/"+settings.Template.Settings.Index.DefaultPipeline)
	var policy struct {
		Policy struct {
			Phases struct {
				Hot struct {
					Actions struct {
						Rollover struct {
							MaxAge string `json:"max_age"`
						}
					}
				}
				Delete struct {
					MinAge string `json:"min_age"`
				}
			}
		}
	}
	readJSON(t, "ilm-policy.json", &policy)
	require.Equal(t, "7d", policy.Policy.Phases.Hot.Actions.Rollover.MaxAge)
	require.Equal(t, "30d", policy.Policy.Phases.Delete.MinAge)
}

// The pipeline writes only mapped fields.
func TestThePipelineWritesMappedFields(t *testing.T) {
	t.Parallel()
	fields := mapped(t)
	var pipeline struct {
		Processors []map[string]struct {
			Field  any
			Target string `json:"target_field"`
			If     string
		}
	}
	readJSON(t, "pipeline.json", &pipeline)
	require.NotEmpty(t, pipeline.Processors)
	for _, p := range pipeline.Processors {
		for kind, o := range p {
			require.NotEmpty(t, o.If, "lines of apps stay as they are")
			switch kind {
			case "set":
				require.Contains(t, fields, o.Field)
			case "rename":
				require.Contains(t, fields, o.Target)
			}
		}
	}
}

// Kibana's searches use mapped fields.
func TestTheSearchesOfKibanaUseMappedFields(t *testing.T) {
	t.Parallel()
	fields := mapped(t)
	content, err := os.ReadFile(filepath.Join(folder, "kibana.ndjson"))
	require.NoError(t, err)
	type object struct {
		ID, Type   string
		Attributes struct {
			Title, TimeFieldName  string
			Columns               []string
			Sort                  [][2]string
			KibanaSavedObjectMeta struct{ SearchSourceJSON string }
		}
		References []struct{ Name, Type, ID string }
	}
	views, searches := map[string]bool{}, 0
	named := regexp.MustCompile(`([a-z@][\w.@]*) *(?::|>=|<=|>|<)`)
	for line := range bytes.Lines(content) {
		var o object
		require.NoError(t, json.Unmarshal(line, &o))
		if o.Type == "index-pattern" {
			views[o.ID] = true
			require.Equal(t, "logs-haberdash-*", o.Attributes.Title)
			require.Contains(t, fields, o.Attributes.TimeFieldName)
			continue
		}
		searches++
		require.Equal(t, "search", o.Type)
		require.Len(t, o.References, 1)
		require.True(t, views[o.References[0].ID], "the data view comes first")
		var source struct {
			Query        struct{ Query, Language string }
			IndexRefName string
		}
		require.NoError(t, json.Unmarshal([]byte(o.Attributes.KibanaSavedObjectMeta.SearchSourceJSON), &source))
		require.Equal(t, "kuery", source.Query.Language)
		require.Equal(t, o.References[0].Name, source.IndexRefName)
		asked := named.FindAllStringSubmatch(source.Query.Query, -1)
		require.NotEmpty(t, asked)
		for _, m := range asked {
			require.Contains(t, fields, m[1], o.Attributes.Title)
		}
		for _, name := range append(o.Attributes.Columns, o.Attributes.Sort[0][0]) {
			require.Contains(t, fields, name, o.Attributes.Title)
		}
	}
	require.Equal(t, 4, searches)
}

type filebeat struct {
	Output struct{ Index string } `yaml:"output.elasticsearch"`
	Inputs []struct {
		Exclude    []string `yaml:"exclude_lines"`
		Processors []struct {
			Replace struct {
				Fields []struct{ Field, Pattern, Replacement string }
			}
			Decode map[string]any `yaml:"decode_json_fields"`
		}
	} `yaml:"filebeat.inputs"`
	Autodiscover struct {
		Providers []struct {
			Templates []struct {
				Config []struct{ Parsers []map[string]map[string]any }
			}
		}
	} `yaml:"filebeat.autodiscover"`
}

func readFilebeat(t *testing.T, name string) (f filebeat) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &f), name)
	require.True(t, strings.HasPrefix(f.Output.Index, "logs-haberdash-"), "an index of the template")
	return f
}

func TestFilebeatDecodesTheLinesOfContainers(t *testing.T) {
	t.Parallel()
	parsers := readFilebeat(t, "filebeat.kubernetes.yaml").Autodiscover.Providers[0].Templates[0].Config[0].Parsers
	require.Len(t, parsers, 2)
	ndjson := parsers[1]["ndjson"]
	require.Empty(t, ndjson["target"])
	require.Equal(t, true, ndjson["expand_keys"])
	require.Equal(t, true, ndjson["overwrite_keys"])
}

// The files of the dapr CLI have prefixes and remarks, which Filebeat removes.
func TestFilebeatDecodesTheFilesOfTheLauncher(t *testing.T) {
	t.Parallel()
	input := readFilebeat(t, "filebeat.local.yaml").Inputs[0]
	replace := input.Processors[0].Replace.Fields[0]
	require.Equal(t, "message", replace.Field)
	prefix := regexp.MustCompile(replace.Pattern)
	const line = `{"log.level":"info","message":"== APP - x == "}`
	for _, l := range []string{line, "== APP - orders == " + line, "\x1b[94;1m== APP - orders == " + line + "\x1b[0m"} {
		require.Equal(t, line, prefix.ReplaceAllString(l, replace.Replacement))
	}
	require.Equal(t, true, input.Processors[1].Decode["expand_keys"])
	excluded := func(l string) bool {
		return slices.ContainsFunc(input.Exclude, func(e string) bool { return regexp.MustCompile(e).MatchString(l) })
	}
	for _, remark := range []string{
		"ℹ️  Updating metadata", "✅  Exited", "0 ✅  Exited", "Starting Dapr with id gateway. HTTP Port: 1",
		"You're up and running!",
	} {
		require.True(t, excluded(remark), remark)
	}
	for _, l := range []string{"== APP - orders == " + line, `time="2026" level=info msg="✅"`, "panic: a bug"} {
		require.False(t, excluded(l), l)
	}
}
