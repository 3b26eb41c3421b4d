"""What executes the job: Beam's local runner, Flink and others."""
