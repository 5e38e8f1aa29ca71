package statement

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

// buildType says how the images are built, and localBuilder who built them: `make images` on some machine, unless
// BUILDER_ID names another builder. The statement is not signed here, so it proves nothing until a signature vouches
// for it.
const (
	buildType    = "tag:haberdash.test,2026:make-images/v1"
	localBuilder = "tag:haberdash.test,2026:local"
)

// Provenance returns the SLSA v1 provenance of a program's images, as an in-toto statement about their index.
// It contains no time of the build, so that it is as reproducible as the images.
func Provenance(p Program, subject string, index v1.Hash) ([]byte, error) {
	var platforms []any
	for _, v := range p.Images {
		platforms = append(platforms, v.Platform.String())
	}
	parameters, err := structpb.NewStruct(map[string]any{"program": p.Name, "platforms": platforms})
	if err != nil {
		return nil, err
	}
	build := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{
			BuildType: buildType, ExternalParameters: parameters, ResolvedDependencies: p.dependencies()},
		RunDetails: &provenance.RunDetails{
			Builder: &provenance.Builder{Id: cmp.Or(os.Getenv("BUILDER_ID"), localBuilder)}},
	}
	if err := build.Validate(); err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(build)
	if err != nil {
		return nil, err
	}
	predicate := &structpb.Struct{}
	if err := protojson.Unmarshal(text, predicate); err != nil {
		return nil, err
	}
	s := &intoto.Statement{
		Type: intoto.StatementTypeUri,
		Subject: []*intoto.ResourceDescriptor{
			{Name: subject, Digest: map[string]string{index.Algorithm: index.Hex}}},
		PredicateType: "https://slsa.dev/provenance/v1",
		Predicate:     predicate,
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if text, err = protojson.Marshal(s); err != nil {
		return nil, err
	}
	var compact bytes.Buffer // protojson adds spaces at random, which would change the digest
	err = json.Compact(&compact, text)
	return compact.Bytes(), err
}

// dependencies lists what the programs of all platforms were built from: the source, the Go version and the modules.
func (p Program) dependencies() (list []*intoto.ResourceDescriptor) {
	if commit, dirty := strings.CutSuffix(p.Revision, "-dirty"); commit != "" {
		d := &intoto.ResourceDescriptor{Name: "source", Digest: map[string]string{"gitCommit": commit}}
		if url := os.Getenv("SOURCE_URL"); url != "" {
			d.Uri = "git+" + url + "@" + commit
		}
		if dirty {
			d.Name = "source, with uncommitted changes"
		}
		list = append(list, d)
	}
	seen := map[string]bool{}
	for _, v := range p.Images {
		goVersion := purl("stdlib", strings.TrimPrefix(v.Info.GoVersion, "go"))
		if !seen[goVersion] {
			seen[goVersion] = true
			list = append(list, &intoto.ResourceDescriptor{Uri: goVersion})
		}
		for _, m := range modules(v.Info) {
			if uri := purl(m.Path, m.Version); !seen[uri] {
				seen[uri] = true
				d := &intoto.ResourceDescriptor{Uri: uri}
				if sum, err := hexSum(m.Sum); err == nil {
					d.Digest = map[string]string{"dirHash": sum}
				}
				list = append(list, d)
			}
		}
	}
	return list
}
