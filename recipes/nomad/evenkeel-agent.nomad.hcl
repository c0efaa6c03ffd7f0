# evenkeel's agent on every Nomad client that has KVM. Needs the raw_exec driver and evenkeel
# installed on the nodes: the agent makes users, jails and networks on the node itself.
#
#   nomad job run -var plan=/etc/evenkeel/plan evenkeel-agent.nomad.hcl

variable "plan" {
  type        = string
  description = "The plan's directory on the nodes"
  default     = "/etc/evenkeel/plan"
}

variable "pool" {
  type        = string
  description = "The pool's name, as evenkeel.dev/pool has it"
  default     = "default"
}

job "evenkeel-agent" {
  datacenters = ["*"]
  type        = "system"

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  update {
    max_parallel     = 1
    health_check     = "checks"
    min_healthy_time = "10s"
    auto_revert      = true
  }

  group "agent" {
    restart {
      attempts = 10
      interval = "10m"
      delay    = "5s"
      mode     = "delay"
    }

    # Client metadata, which jobs constrain on: "${meta.evenkeel.dev/class}".
    task "labels" {
      driver = "raw_exec"

      lifecycle {
        hook = "prestart"
      }

      config {
        command = "/bin/sh"
        args = [
          "-euc",
          "nomad node meta apply $(evenkeel labels --plan ${var.plan} --pool ${var.pool})",
        ]
      }

      resources {
        cpu    = 100
        memory = 256
      }
    }

    task "agent" {
      driver = "raw_exec"

      config {
        command = "/usr/bin/evenkeel"
        args    = ["agent"]
      }

      env {
        EVENKEEL_PLAN = var.plan
      }

      # It refuses new work and gives what runs ten seconds. MicroVMs stay.
      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}
