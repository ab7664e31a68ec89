module chroma.test/azureauth

go 1.25.0

require (
	github.com/Azure/azure-sdk-for-go/sdk/azcore v1.22.0
	github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.14.0
	go.opentelemetry.io/collector/component v1.64.0
	go.opentelemetry.io/collector/extension v1.64.0
)
