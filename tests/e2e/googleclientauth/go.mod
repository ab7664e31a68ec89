module chroma.test/googleclientauth

go 1.25.0

require (
	github.com/GoogleCloudPlatform/opentelemetry-operations-go/extension/googleclientauthextension v0.55.0
	go.opentelemetry.io/collector/component v1.64.0
	go.opentelemetry.io/collector/extension v1.64.0
)
