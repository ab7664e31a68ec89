# Builds both images for x86-64 and Arm and pushes them, once for all deployments:
#   docker buildx create --name chroma-otel
#   REGISTRY=registry.example.com/search docker buildx bake --builder chroma-otel --push
# Each tag ends in a hash of the files in this folder, so a tag never changes its content:
#   find . -type f ! -name docker-bake.hcl ! -name .chroma-otel-deploy.sha256 | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c 1-12
# Written by chroma-otel-deploy.
variable "REGISTRY" {
  default = ""
}

group "default" {
  targets = ["chroma", "otel-collector"]
}

target "chroma" {
  target    = "chroma"
  tags      = ["${REGISTRY}/chroma:1.5.9-0752edc0ca34"]
  platforms = ["linux/amd64", "linux/arm64"]
}

target "otel-collector" {
  target    = "otel-collector"
  tags      = ["${REGISTRY}/otel-collector:0.158.0-0752edc0ca34"]
  platforms = ["linux/amd64", "linux/arm64"]
}
