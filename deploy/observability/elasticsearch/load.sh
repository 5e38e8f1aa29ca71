#!/bin/sh
# Loads the policy, the pipeline and the template into Elasticsearch, and the searches into Kibana. A repetition
# replaces them. ELASTICSEARCH=https://… KIBANA=https://… API_KEY=… (base64), each without a slash at the end.
set -eu
cd "$(dirname "$0")"
put() {
  curl -sSf -X PUT "$ELASTICSEARCH/$1" -H "Authorization: ApiKey ${API_KEY:-}" -H 'Content-Type: application/json' \
    --data-binary "@$2" >/dev/null
  echo "loaded $1"
}
put _ilm/policy/haberdash-logs ilm-policy.json
put _ingest/pipeline/haberdash-logs pipeline.json
put _component_template/haberdash-logs-mappings mappings.json
put _component_template/haberdash-logs-settings settings.json
put _index_template/haberdash-logs index-template.json
if [ -n "${KIBANA:-}" ]; then
  curl -sSf -X POST "$KIBANA/api/saved_objects/_import?overwrite=true" -H "Authorization: ApiKey ${API_KEY:-}" \
    -H 'kbn-xsrf: true' -F file=@kibana.ndjson >/dev/null
  echo "loaded the searches of Kibana"
fi
