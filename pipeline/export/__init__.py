"""What an export of a run holds beside the network, and exports of variants."""
