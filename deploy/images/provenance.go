package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

// How images are built, and by whom: `make images` on somebody's machine, unless BUILDER_ID says otherwise. What signs
// the statement vouches for it; nothing does here.
const (
	buildType    = "tag:haberdash.test,2026:make-images/v1"
	localBuilder = "tag:haberdash.test,2026:local"
)

// statement is the SLSA v1 provenance of a program's images, as an in-toto statement about their index. It says nothing
// of when, so that it is as reproducible as they are.
func statement(b built, subject string, index v1.Hash) ([]byte, error) {
	var platforms []any
	for _, v := range b.variants {
		platforms = append(platforms, v.platform.String())
	}
	parameters, err := structpb.NewStruct(map[string]any{"program": b.program.name, "platforms": platforms})
	if err != nil {
		return nil, err
	}
	p := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{BuildType: buildType, ExternalParameters: parameters, ResolvedDependencies: b.dependencies()},
		RunDetails:      &provenance.RunDetails{Builder: &provenance.Builder{Id: cmp.Or(os.Getenv("BUILDER_ID"), localBuilder)}},
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(p)
	if err != nil {
		return nil, err
	}
	predicate := &structpb.Struct{}
	if err := protojson.Unmarshal(text, predicate); err != nil {
		return nil, err
	}
	s := &intoto.Statement{
		Type:          intoto.StatementTypeUri,
		Subject:       []*intoto.ResourceDescriptor{{Name: subject, Digest: map[string]string{index.Algorithm: index.Hex}}},
		PredicateType: "https://slsa.dev/provenance/v1",
		Predicate:     predicate,
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if text, err = protojson.Marshal(s); err != nil {
		return nil, err
	}
	var same bytes.Buffer // protojson puts spaces in or not, as it likes
	err = json.Compact(&same, text)
	return same.Bytes(), err
}

// dependencies are the source, and the Go and the modules that all platforms' programs were made of.
func (b *built) dependencies() (list []*intoto.ResourceDescriptor) {
	if commit, dirty := strings.CutSuffix(b.source.revision, "-dirty"); commit != "" {
		d := &intoto.ResourceDescriptor{Name: "source", Digest: map[string]string{"gitCommit": commit}}
		if url := os.Getenv("SOURCE_URL"); url != "" {
			d.Uri = "git+" + url + "@" + commit
		}
		if dirty {
			d.Name = "source, with changes that are in no commit"
		}
		list = append(list, d)
	}
	seen := map[string]bool{}
	for _, v := range b.variants {
		goVersion := purl("stdlib", strings.TrimPrefix(v.info.GoVersion, "go"))
		if !seen[goVersion] {
			seen[goVersion] = true
			list = append(list, &intoto.ResourceDescriptor{Uri: goVersion})
		}
		for _, m := range modules(v.info) {
			if uri := purl(m.Path, m.Version); !seen[uri] {
				seen[uri] = true
				d := &intoto.ResourceDescriptor{Uri: uri}
				if sum, err := hashOf(m.Sum); err == nil {
					d.Digest = map[string]string{"dirHash": sum}
				}
				list = append(list, d)
			}
		}
	}
	return list
}
