"""From models that another program trained to a plan and weights of autoseg's."""
